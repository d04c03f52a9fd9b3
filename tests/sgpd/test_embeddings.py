"""Embeddings: what is accepted, and what a user is told otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sgpd.embeddings import checked, stored
from sgpd.errors import EmbeddingError

ROWS = arrays(np.float32, (5, 8), elements=st.floats(-1, 1, width=32))


def test_rows_come_back_with_unit_length() -> None:
    x = checked([[3.0, 4.0], [0.0, 1e-20]])
    np.testing.assert_allclose(x, [[0.6, 0.8], [0.0, 1.0]], rtol=1e-6)
    assert x.dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_row_that_is_not_finite_is_named(bad: float) -> None:
    x = np.eye(4)
    x[2, 1] = bad
    with pytest.raises(EmbeddingError, match=r"row 2 is NaN or infinite"):
        checked(x)


def test_a_zero_row_is_named() -> None:
    with pytest.raises(EmbeddingError, match=r"queries: row 1 is all zeros"):
        checked([[1.0, 0.0], [0.0, 0.0]], what="queries")


def test_another_dimension_is_refused() -> None:
    with pytest.raises(EmbeddingError, match=r"4 dimensions, 8 expected"):
        checked(np.eye(4), dimension=8)


@pytest.mark.parametrize("x", [[1.0, 2.0], [["a", "b"]], [[1.0], [1.0, 2.0]], [[], []]])
def test_what_is_no_matrix_is_refused(x: object) -> None:
    with pytest.raises(EmbeddingError, match="embeddings"):
        checked(x)  # type: ignore[arg-type]


def test_the_callers_array_is_left_alone() -> None:
    x = np.full((2, 2), 2, np.float32)
    checked(x)
    assert (x == 2).all()


@given(ROWS)
def test_storing_twice_changes_nothing_more(x: NDArray[np.float32]) -> None:
    once = stored(x)
    np.testing.assert_array_equal(stored(once), once)


@given(ROWS)
def test_stored_vectors_pass_the_check_unchanged(x: NDArray[np.float32]) -> None:
    x = x[np.linalg.norm(x, axis=1) > 1e-3]
    kept = stored(checked(x)) if len(x) else x
    np.testing.assert_array_equal(checked(kept), kept)
