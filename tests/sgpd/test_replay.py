"""A replay says what the search does: it is held against the search itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from sgpd.fit import FitSettings, fit
from sgpd.guide import walk_guide
from sgpd.metrics import recall_at_k
from sgpd.plan import Settings
from sgpd.replay import ExactGuide, Replayer, walk_to_the_end
from sgpd.retriever import Retriever
from tests.vectors import clustered

FEW_VALUES = st.sampled_from([-np.inf, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


@given(
    arrays(np.float32, st.integers(0, 90), elements=FEW_VALUES),
    st.integers(1, 12),
    st.integers(1, 60),
    st.integers(0, 90),
)
def test_the_replayed_walk_ends_where_the_walk_ends(
    exact: NDArray[np.float32], k: int, patience: int, size: int
) -> None:
    keys = np.random.default_rng(0).permutation(len(exact))
    size = min(size, len(exact))
    walked = walk_guide(keys[:size], lambda part: exact[:size][part], k, patience)
    walk = walk_to_the_end(ExactGuide(keys, exact, exact, np.zeros(len(exact), np.int32)), k)
    assert walk.stop(size, patience) == len(walked)


@pytest.mark.parametrize("k", [1, 10, 55])
@pytest.mark.parametrize(
    "settings",
    [
        Settings(16, 48, 16, 2.0),
        Settings(16, 208, 32, 0.5),
        Settings(32, 208, 64, 0.05),
        Settings(32, 48, 500, 0.0),
        Settings(16, 48, 64, 0.2, cover=0.8),
    ],
)
def test_a_replay_finds_and_costs_what_the_search_does(settings: Settings, k: int) -> None:
    x = clustered(3_000)
    space = fit(x, "test", settings=FitSettings(cells=24, prototypes=300)).space("chip")
    retriever = Retriever(space, x)
    queries = clustered(40, seed=5)
    traces = retriever.traces(queries, 60, query_terms=(16, 32), guide_size=208)
    replayed = Replayer(traces, retriever.statistics, retriever.counts).replay(settings, k)
    searched = retriever.search(queries, k, settings)
    truth = retriever.search(queries, k, "exhaustive")
    assert [r.read + r.scanned for r in replayed] == [r.scanned for r in searched]
    assert [r.opened for r in replayed] == [len(r.opened) for r in searched]
    recalls = [recall_at_k(a.scores, b.scores) for a, b in zip(searched, truth, strict=True)]
    assert [r.recall for r in replayed] == pytest.approx(recalls)
