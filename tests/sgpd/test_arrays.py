"""Arrays of files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sgpd.arrays import load_array


@pytest.mark.parametrize("mapped", [False, True])
def test_threads_read_the_same_array_at_once(tmp_path: Path, mapped: bool) -> None:
    given = np.arange(12, dtype=np.float16).reshape(3, 4)
    np.save(tmp_path / "a.npy", given)
    with ThreadPoolExecutor(8) as threads:
        reading = [threads.submit(load_array, tmp_path / "a.npy", mapped=mapped) for _ in range(80)]
    for one in reading:
        found = one.result()
        assert type(found) is np.ndarray
        assert found.flags.writeable is not mapped
        np.testing.assert_array_equal(found, given)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_array(tmp_path / "a.npy")
