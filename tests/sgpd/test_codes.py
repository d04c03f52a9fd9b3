"""Codes are rounded as Lucene rounds, and rows can be taken in any order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sgpd.codes import Codes, round_weights

WEIGHTS = arrays(np.float32, (6, 4), elements=st.floats(0, 4, width=32, allow_subnormal=False))


@given(WEIGHTS)
def test_rounding_keeps_nine_bits_and_never_grows(weights: NDArray[np.float32]) -> None:
    rounded = round_weights(weights)
    np.testing.assert_array_equal(round_weights(rounded), rounded)
    assert (rounded <= weights).all()
    assert (rounded >= weights * (1 - 2**-8)).all()
    mantissa, _ = np.frexp(rounded)
    np.testing.assert_array_equal(mantissa * 2**9, np.rint(mantissa * 2**9))


@given(WEIGHTS, st.lists(st.integers(0, 5), max_size=10))
def test_rows_hold_ascending_terms_and_survive_taking(
    weights: NDArray[np.float32], rows: list[int]
) -> None:
    terms = np.argsort(weights + np.arange(4)[::-1], axis=1) * 7
    codes = Codes.from_rows(terms, weights)
    taken = codes.take(np.array(rows, np.int64))
    assert len(taken) == len(rows)
    for (found_terms, found), row in zip(taken, rows, strict=True):
        wanted = {int(t): w for t, w in zip(terms[row], weights[row], strict=True) if w > 0}
        assert dict(zip(found_terms.tolist(), found.tolist(), strict=True)) == wanted
        assert found_terms.tolist() == sorted(found_terms.tolist())


def test_weights_that_lucene_refuses_are_left_out() -> None:
    codes = Codes.from_rows(np.array([[1, 2, 3]]), np.array([[1e-40, -1.0, 0.5]]))
    assert codes.terms.tolist() == [3]
