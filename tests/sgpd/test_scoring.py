"""Scores do not depend on the batch; ranks are (-score, key)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sgpd.embeddings import stored
from sgpd.scoring import exact_scores, top
from tests.vectors import clustered


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_a_score_is_the_same_in_any_batch_order_and_type(seed: int, count: int) -> None:
    x, query = stored(clustered(count, seed, 256)), clustered(1, seed + 1, 256)[0]
    order = np.random.default_rng(seed).permutation(count)
    together = exact_scores(query, x)
    alone = [exact_scores(query, x[i : i + 1])[0] for i in range(count)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(exact_scores(query, x[order].astype(np.float16)), together[order])
    np.testing.assert_array_equal(exact_scores(query[::-1], x[:, ::-1]), together)


def test_scores_are_inner_products() -> None:
    x, query = stored(clustered(50)), clustered(1, 1)[0]
    np.testing.assert_allclose(exact_scores(query, x), x @ query, atol=3e-7)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 3)), max_size=30), st.integers(0, 40))
def test_top_is_the_head_of_the_sorted_list(pairs: list[tuple[int, int]], k: int) -> None:
    keys = np.array([key for key, _ in pairs], np.int64)
    scores = np.array([score for _, score in pairs], np.float32)
    found: tuple[NDArray[np.int64], NDArray[np.float32]] = top(keys, scores, k)
    best = sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]
    assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == best
