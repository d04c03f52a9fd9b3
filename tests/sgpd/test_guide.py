"""The walk down the guide ends exactly where patience runs out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sgpd.guide import score_guide
from sgpd.scoring import top


def walk(values: list[float], k: int, patience: int) -> int:
    """Documents that a walk one by one examines, which may end at multiples of 16."""
    quiet: set[float] = set()
    for i in range(len(values)):
        if i % 16 == 0 and len(quiet) >= patience:
            return i
        before = sorted((-v, j) for j, v in enumerate(values[:i]))[:k]
        after = sorted((-v, j) for j, v in enumerate(values[: i + 1]))[:k]
        if before != after:
            quiet = set()
        elif values[i] not in values[:i]:
            quiet.add(values[i])
    return len(values)


@given(st.lists(st.integers(0, 60), max_size=120), st.integers(1, 10), st.integers(1, 12))
def test_it_examines_what_a_walk_one_by_one_would(values: list[int], k: int, patience: int) -> None:
    keys = np.arange(len(values), dtype=np.int64)
    vectors = np.array(values, np.float32)[:, None] / 64
    scored = score_guide(np.ones(1, np.float32), keys, lambda part: vectors[part], k, patience)
    assert scored.examined == walk([float(v) for v in values], k, patience)
    np.testing.assert_array_equal(scored.scores, vectors[: scored.examined, 0])


@given(st.lists(st.integers(0, 60), max_size=120), st.integers(1, 12), st.integers(0, 12))
def test_more_patience_examines_a_superset(values: list[int], less: int, more: int) -> None:
    keys = np.arange(len(values), dtype=np.int64)
    vectors = np.array(values, np.float32)[:, None] / 64
    short, long = (
        score_guide(np.ones(1, np.float32), keys, lambda part: vectors[part], 5, patience)
        for patience in (less, less + more)
    )
    assert set(short.keys.tolist()) <= set(long.keys.tolist())


def test_documents_without_a_vector_are_read_and_left_out() -> None:
    keys = np.arange(6)

    def vectors_of(part: slice) -> NDArray[np.floating]:
        return np.where(keys[part, None] % 2 == 0, keys[part, None] / 16, np.nan)

    scored = score_guide(np.ones(1, np.float32), keys, vectors_of, 2, 10)
    assert scored.keys.tolist() == [0, 2, 4]
    assert scored.examined == 6
    assert top(scored.keys, scored.scores, 1)[0].tolist() == [4]


def test_a_swarm_of_copies_does_not_hide_what_comes_after_it() -> None:
    vectors = np.array([0.5] * 200 + [0.9] + [0.1] * 99, np.float32)[:, None]
    keys = np.arange(300, dtype=np.int64)
    scored = score_guide(np.ones(1, np.float32), keys, lambda part: vectors[part], 10, 50)
    assert top(scored.keys, scored.scores, 1)[0].tolist() == [200]
