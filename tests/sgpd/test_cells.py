"""Cells are the same in any batch, and the expected share of good vectors is about right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.cells import Cells, CellStatistics, nearest_centroid
from tests.vectors import clustered


@given(st.integers(0, 10_000), st.integers(1, 50))
def test_a_vectors_cell_does_not_depend_on_its_batch(seed: int, count: int) -> None:
    centroids = clustered(20, seed + 1, 256).astype(np.float16).astype(np.float32)
    centroids[10:] = centroids[:10] + np.float32(2**-11)  # near ties everywhere
    x = clustered(count, seed, 256)
    together = nearest_centroid(x, centroids)
    assert together.tolist() == [
        int(nearest_centroid(x[i : i + 1], centroids)[0]) for i in range(count)
    ]


def test_ties_go_to_the_lower_cell() -> None:
    centroids = np.eye(3, dtype=np.float32)[[1, 0, 0]]
    assert nearest_centroid(np.eye(3, dtype=np.float32), centroids).tolist() == [1, 0, 0]


def test_statistics_of_parts_add_up_to_those_of_the_whole(
    bundle: Bundle, embeddings: NDArray[np.float32]
) -> None:
    cells = bundle.space("chip").cells
    assigned = cells.assign(embeddings)
    whole, left, right = (
        CellStatistics.measure(embeddings[rows], assigned[rows], len(cells), cells.prior.basis)
        for rows in (slice(None), slice(0, 250), slice(250, None))
    )
    both = left + right
    np.testing.assert_array_equal(both.counts, whole.counts)
    np.testing.assert_allclose(both.sums, whole.sums, atol=1e-4)
    np.testing.assert_allclose(both.squares, whole.squares, atol=1e-4)
    query = clustered(1, 5)[0]
    np.testing.assert_allclose(
        both.expected_share(query, 0.4), whole.expected_share(query, 0.4), atol=1e-4
    )


@pytest.mark.parametrize("threshold", [-0.2, 0.1, 0.3])
def test_expected_share_agrees_with_monte_carlo_on_gaussian_cells(threshold: float) -> None:
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((8, 8)))[0].astype(np.float32)
    means = rng.standard_normal((3, 8)) * 0.2
    spread = rng.uniform(0.05, 0.4, (3, 8))  # along the basis
    cells = np.repeat(np.arange(3, dtype=np.int32), 40_000)
    x = means[cells] + (rng.standard_normal((len(cells), 8)) * spread[cells]) @ basis
    statistics = CellStatistics.measure(x.astype(np.float32), cells, 3, basis)
    query = rng.standard_normal(8).astype(np.float32)
    query /= np.linalg.norm(query)
    counted = [np.mean(x[cells == c] @ query > threshold) for c in range(3)]
    np.testing.assert_allclose(statistics.expected_share(query, threshold), counted, atol=0.01)


@pytest.mark.parametrize("k", [20, 250, 499])
def test_about_k_vectors_beat_the_threshold_that_is_expected_for_them(
    bundle: Bundle, embeddings: NDArray[np.float32], k: int
) -> None:
    cells = bundle.space("chip").cells
    counts = np.bincount(cells.assign(embeddings), minlength=len(cells))
    beating = []
    for query in clustered(40, 4):
        threshold = cells.prior.expected_threshold(query, counts, k)
        shares = cells.prior.expected_share(query, threshold)
        assert counts @ shares == pytest.approx(k, rel=0.02)
        beating.append(np.count_nonzero(embeddings @ query > threshold))
    assert np.mean(beating) == pytest.approx(k, rel=0.25)


def test_all_of_k_vectors_are_expected_above_the_threshold(bundle: Bundle) -> None:
    prior = bundle.space("chip").cells.prior
    few = np.zeros(len(prior.counts), np.int64)
    few[[2, 5]] = 3
    query = clustered(1, 4)[0]
    assert prior.expected_threshold(query, few, 6) == -np.inf
    assert prior.expected_threshold(query, few, 5) > -np.inf
    assert prior.expected_threshold(query, np.zeros_like(few), 1) == -np.inf


def test_shares_stay_numbers_at_the_extremes(bundle: Bundle) -> None:
    prior = bundle.space("chip").cells.prior
    query = clustered(1)[0]
    assert (prior.expected_share(query, -np.inf) == 1).all()
    assert (prior.expected_share(query, np.inf) < 1e-30).all()
    empty = CellStatistics.measure(
        np.empty((0, 32), np.float32), np.empty(0, np.int32), 4, prior.basis
    )
    assert np.isfinite(empty.expected_share(query, 0.5)).all()


def test_a_lone_vector_in_a_cell_borrows_the_spread_of_the_others() -> None:
    x = clustered(200)
    cells = np.ones(200, np.int32)
    cells[0] = 0
    statistics = CellStatistics.measure(x, cells, 2, np.eye(32, dtype=np.float32))
    share = statistics.expected_share(x[0], float(x[0] @ x[0]))[0]
    assert share == pytest.approx(0.5, abs=0.01)
    assert 0.01 < statistics.expected_share(x[0], float(x[0] @ x[0]) + 0.1)[0] < 0.49


def test_cells_survive_their_arrays(bundle: Bundle, embeddings: NDArray[np.float32]) -> None:
    cells = bundle.space("chip").cells
    again = Cells.from_arrays(cells.arrays())
    np.testing.assert_array_equal(again.assign(embeddings), cells.assign(embeddings))
    np.testing.assert_array_equal(again.prior.counts, cells.prior.counts)
