"""Guided search against exhaustive search, the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.metrics import recall_at_k
from sgpd.plan import RECALL_SETTINGS, Settings
from sgpd.retriever import Retriever
from tests.vectors import clustered

EVERYTHING = Settings(query_terms=8, guide_size=30, patience=10, open_above=0)


@pytest.fixture(scope="module")
def archive() -> NDArray[np.float32]:
    """Other vectors than the fit's, every tenth a duplicate."""
    x = clustered(2_000, 4)
    x[::10] = x[5]
    return x


@pytest.fixture(scope="module")
def retriever(bundle: Bundle, archive: NDArray[np.float32]) -> Retriever:
    keys = np.random.default_rng(0).permutation(len(archive)) + 1_000_000
    return Retriever(bundle.space("chip"), archive, keys)


@pytest.mark.parametrize("k", [1, 10, 300, 5_000])
def test_with_all_cells_open_guided_is_exhaustive_to_the_last_tie(
    retriever: Retriever, archive: NDArray[np.float32], k: int
) -> None:
    queries = np.concatenate([clustered(20, 6), archive[5:6]])
    guided = retriever.search(queries, k, EVERYTHING)
    exhaustive = retriever.search(queries, k, "exhaustive")
    for found, wanted in zip(guided, exhaustive, strict=True):
        np.testing.assert_array_equal(found.keys, wanted.keys)
        np.testing.assert_array_equal(found.scores, wanted.scores)


def test_exhaustive_search_is_a_plain_sort(bundle: Bundle, archive: NDArray[np.float32]) -> None:
    query = clustered(1, 6)
    (found,) = Retriever(bundle.space("chip"), archive).search(query, 10, "exhaustive")
    scores = archive @ query[0]
    np.testing.assert_allclose(found.scores, np.sort(scores)[::-1][:10], atol=1e-3)
    assert found.scanned == len(archive)


@pytest.mark.parametrize("target", sorted(RECALL_SETTINGS))
def test_settings_reach_their_target_by_scoring_a_part(retriever: Retriever, target: float) -> None:
    queries = clustered(100, 9)
    guided = retriever.search(queries, 10, RECALL_SETTINGS[target])
    exhaustive = retriever.search(queries, 10, "exhaustive")
    recall = np.mean(
        [recall_at_k(g.scores, e.scores) for g, e in zip(guided, exhaustive, strict=True)]
    )
    assert recall >= target
    assert np.mean([g.scanned for g in guided]) < len(retriever)


def test_a_lower_bar_opens_a_superset_of_cells(retriever: Retriever) -> None:
    queries = clustered(20, 10)
    opened = []
    for bar in (0.1, 0.01, 0.0001):
        settings = Settings(query_terms=8, guide_size=100, patience=50, open_above=bar)
        opened.append([{o.cell for o in r.opened} for r in retriever.search(queries, 10, settings)])
    for few, more, most in zip(*opened, strict=True):
        assert few <= more <= most


def test_cells_are_opened_best_first(retriever: Retriever) -> None:
    settings = Settings(query_terms=8, guide_size=100, patience=50, open_above=1e-6)
    (result,) = retriever.search(clustered(1, 11), 10, settings)
    counts = np.diff(retriever._offsets)
    shares = [part.expected / counts[part.cell] for part in result.opened]
    assert shares == sorted(shares, reverse=True)
    assert len(shares) > 1
