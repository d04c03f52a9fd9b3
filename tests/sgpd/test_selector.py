"""The selector learns where the guide's misses lie; the plan says what spoke for each cell."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sgpd.candidates import FEATURES, Candidates
from sgpd.cells import CellStatistics
from sgpd.errors import FitError
from sgpd.evidence import Evidence
from sgpd.guide import Guide, score_guide
from sgpd.plan import Rule, Settings, plan_cells
from sgpd.scoring import top
from sgpd.selector import Selector, Shown
from tests.vectors import clustered

CELLS = 40
K = 10
OPEN = Settings(query_terms=8, guide_size=60, patience=30, open_above=0.02)


class World:
    """Vectors in cells, and guides that are blind to all that lies in odd cells."""

    def __init__(self) -> None:
        self.x = clustered(3_000, 1).astype(np.float16).astype(np.float32)
        centroids = clustered(CELLS, 2)
        self.cells = (self.x @ centroids.T).argmax(axis=1).astype(np.int32)
        self.counts = np.bincount(self.cells, minlength=CELLS)
        basis = np.eye(self.x.shape[1], dtype=np.float32)
        self.statistics = CellStatistics.measure(self.x, self.cells, CELLS, basis)

    def trace(self, query: NDArray[np.float32], patience: int = 30) -> Shown:
        scores = self.x @ query
        seen = np.flatnonzero(self.cells % 2 == 0)
        noisy = scores[seen] + 0.02 * np.sin(1e4 * scores[seen])
        guide = Guide(*top(seen.astype(np.int64), noisy - noisy.min() + 0.1, 60))
        scored = score_guide(query, guide.keys, lambda part: self.x[guide.keys[part]], K, patience)
        best, _ = top(np.arange(len(scores)), scores, K)
        evidence = Evidence.of(query, K, guide, scored, self.cells[guide.keys])
        return Shown(evidence, self.cells[np.setdiff1d(best, scored.keys)])

    def gather(self, evidence: Evidence) -> Candidates:
        return Candidates.gather(evidence, self.statistics, self.counts)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def traces(world: World) -> list[Shown]:
    return [world.trace(query) for query in clustered(300, 3)]


@pytest.fixture(scope="module")
def selector(world: World, traces: list[Shown]) -> Selector:
    return Selector.fit(traces, world.statistics, world.counts)


def test_it_opens_cells_that_hold_what_the_guide_missed(world: World, selector: Selector) -> None:
    opened = found = missed = 0
    for query in clustered(50, 4):
        trace = world.trace(query)
        plan = plan_cells(trace.evidence, world.statistics, world.counts, OPEN, selector)
        cells = [part.cell for part in plan]
        opened += int(world.counts[cells].sum())
        found += int(np.isin(trace.missed, cells).sum())
        missed += len(trace.missed)
    assert missed > 50
    assert found >= 0.9 * missed
    assert opened < 0.3 * 50 * len(world.x)


def test_its_expectations_add_up_to_what_is_missed(world: World, selector: Selector) -> None:
    others = [world.trace(query) for query in clustered(100, 5)]
    expected = sum(
        float(selector.expected(world.gather(trace.evidence), K).sum()) for trace in others
    )
    assert expected == pytest.approx(sum(len(trace.missed) for trace in others), rel=0.2)


def test_the_same_seed_gives_the_same_selector(
    world: World, traces: list[Shown], selector: Selector
) -> None:
    again = Selector.fit(traces, world.statistics, world.counts)
    for name, array in selector.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
    other = Selector.fit(traces, world.statistics, world.counts, seed=1)
    assert not np.array_equal(other.model.hidden, selector.model.hidden)


def test_it_survives_its_arrays(world: World, traces: list[Shown], selector: Selector) -> None:
    candidates = world.gather(traces[0].evidence)
    again = Selector.from_arrays(selector.arrays())
    np.testing.assert_array_equal(again.expected(candidates, K), selector.expected(candidates, K))


def test_arrays_of_another_version_are_refused(selector: Selector) -> None:
    arrays = {**selector.arrays(), "centre": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match="of 3 features"):
        Selector.from_arrays(arrays)


def test_too_few_queries_are_refused(world: World, traces: list[Shown]) -> None:
    with pytest.raises(FitError, match="99 queries"):
        Selector.fit(traces[:99], world.statistics, world.counts)


def test_each_part_can_be_taken_alone(
    world: World, traces: list[Shown], selector: Selector
) -> None:
    evidence = traces[0].evidence
    settings = replace(OPEN, open_above=1e-5)
    rules: list[Rule] = ["expectation", "model", "both", "none"]
    plans = {
        rule: plan_cells(
            evidence, world.statistics, world.counts, replace(settings, cells_by=rule), selector
        )
        for rule in rules
    }
    assert plans["none"] == []
    for part in plans["expectation"]:
        assert part.expected == part.normal
        assert part.learned is None
    for part in plans["model"]:
        assert part.expected == part.learned
    for part in plans["both"]:
        assert part.learned is not None
        assert part.expected == pytest.approx(math.sqrt(part.normal * part.learned), rel=1e-4)


def test_without_a_selector_expectation_decides(world: World, traces: list[Shown]) -> None:
    evidence = traces[0].evidence
    both = plan_cells(evidence, world.statistics, world.counts, OPEN)
    alone = replace(OPEN, cells_by="expectation")
    assert both == plan_cells(evidence, world.statistics, world.counts, alone)
    assert both


def shown(world: World, query: NDArray[np.float32], documents: int, k: int = K) -> Evidence:
    """A guide of so few documents, all of them scored."""
    whole = world.trace(query, patience=documents).evidence
    exact = np.sort(whole.exact[:documents])[::-1]
    threshold = float(exact[k - 1]) if documents >= k else -math.inf
    return Evidence(query, k, threshold, whole.cells[:documents], whole.sparse[:documents], exact)


@pytest.mark.parametrize("rule", ["expectation", "model", "both", "none"])
@pytest.mark.parametrize("documents", [0, 9, 15])
def test_everything_opens_while_the_guide_has_shown_too_little(
    world: World, selector: Selector, rule: Rule, documents: int
) -> None:
    few = shown(world, clustered(1, 6)[0], documents)
    settings = replace(OPEN, cells_by=rule)
    plan = plan_cells(few, world.statistics, world.counts, settings, selector)
    assert sorted(part.cell for part in plan) == np.flatnonzero(world.counts).tolist()


def test_few_cells_cover_most_of_the_answer_where_the_guide_shows_too_little(
    world: World,
) -> None:
    """Of the matches of a filter that goes with the content."""
    rng = np.random.default_rng(8)
    allowed = np.isin(world.cells, np.arange(0, CELLS, 3)) & (rng.random(len(world.x)) < 0.7)
    matches = np.bincount(world.cells[allowed], minlength=CELLS)
    for k in (10, 50):
        found = dict.fromkeys((0.5, 0.9, 0.99, 1.0), 0)
        vectors = dict(found)
        for query in clustered(60, 9):
            few = shown(world, query, 3, k)
            best, _ = top(np.flatnonzero(allowed), (world.x @ query)[allowed], k)
            for cover in found:
                settings = replace(OPEN, cover=cover)
                plan = plan_cells(few, world.statistics, world.counts, settings, matches=matches)
                cells = [part.cell for part in plan]
                assert matches[cells].min() > 0
                assert matches[cells].sum() >= k
                found[cover] += int(np.isin(world.cells[best], cells).sum())
                vectors[cover] += int(world.counts[cells].sum())
        assert list(found.values()) == sorted(found.values())
        assert found[1.0] == 60 * k
        assert found[0.99] >= 0.98 * found[1.0]
        assert vectors[0.99] < 0.6 * vectors[1.0]
        assert vectors[0.9] < vectors[0.99]


def test_all_matches_lie_in_the_cells_that_open_where_there_are_fewer_than_k(
    world: World,
) -> None:
    matches = np.zeros(CELLS, np.int64)
    matches[[3, 7, 21]] = 2
    few = shown(world, clustered(1, 6)[0], 2)
    settings = replace(OPEN, cover=0.9)
    plan = plan_cells(few, world.statistics, world.counts, settings, matches=matches)
    assert {part.cell for part in plan} == {3, 7, 21}
    assert [part.expected for part in plan] == [2.0, 2.0, 2.0]


def test_an_empty_guide_is_no_error(world: World, selector: Selector) -> None:
    nothing = np.empty(0, np.float32)
    query = clustered(1, 6)[0]
    evidence = Evidence(query, K, 0.5, np.empty(0, np.int32), nothing, nothing)
    plan = plan_cells(evidence, world.statistics, world.counts, OPEN, selector)
    assert all(part.guide == 0 for part in plan)


def test_candidates_hold_the_guides_cells_and_say_so(world: World, traces: list[Shown]) -> None:
    evidence = traces[0].evidence
    candidates = Candidates.gather(evidence, world.statistics, world.counts, nearest=3)
    cells, guide = np.unique(evidence.cells, return_counts=True)
    assert len(candidates) <= len(cells) + 3
    assert (
        dict(zip(cells.tolist(), guide.tolist(), strict=True)).items()
        <= dict(zip(candidates.cells.tolist(), candidates.guide.tolist(), strict=True)).items()
    )
    assert candidates.features.shape == (len(candidates), len(FEATURES))
    assert np.isfinite(candidates.features).all()
    above = candidates.features[:, FEATURES.index("documents at or above theta")]
    assert np.expm1(above).sum() == pytest.approx(K)


def test_documents_of_no_known_cell_and_empty_cells_are_left_out(
    world: World, traces: list[Shown]
) -> None:
    evidence = traces[0].evidence
    lost = replace(evidence, cells=np.full_like(evidence.cells, -1))
    counts = world.counts.copy()
    counts[::3] = 0
    candidates = Candidates.gather(lost, world.statistics, counts)
    assert candidates.guide.sum() == 0
    assert (counts[candidates.cells] > 0).all()
