"""Inverted lists written block by block are FAISS's own file."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from scenestore.lists_file import write_lists

DIMENSION = 32


@pytest.mark.parametrize(("count", "cells"), [(0, 5), (7, 50), (300, 300), (500, 10)])
@pytest.mark.parametrize("block", [1, 13, 1_000])
def test_it_is_the_file_that_faiss_writes(
    tmp_path: Path, count: int, cells: int, block: int
) -> None:
    rng = np.random.default_rng(count)
    lists = np.sort(rng.integers(0, cells, count))
    keys = (2**40 + 3 * np.arange(count)).astype(np.int64)
    vectors = rng.normal(size=(count, DIMENSION)).astype(np.float16).astype(np.float32)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(DIMENSION),
        DIMENSION,
        cells,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.is_trained = True
    if count:
        rows = (faiss.swig_ptr(array) for array in (vectors, keys, lists))
        index.add_core(count, *rows)
    faiss.write_index(index, str(tmp_path / "theirs"))
    offsets = np.searchsorted(lists, np.arange(cells + 1))
    blocks = (vectors[start : start + block] for start in range(0, count, block))
    write_lists(tmp_path / "ours", DIMENSION, offsets, keys, blocks)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
