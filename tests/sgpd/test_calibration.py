"""The promise: settings are chosen on some queries and keep the target on others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sgpd.calibrating import Queries, first_within, promises
from sgpd.calibration import ALL, Case, Promise
from sgpd.costs import Costs
from sgpd.fit import FitSettings, fit
from sgpd.metrics import bootstrap_interval
from sgpd.replay import Replayer
from sgpd.retriever import Retriever
from sgpd.settings_path import GUIDE_SIZE, QUERY_TERMS, settings_path
from tests.vectors import clustered

ENTRIES = 3_000


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    x = clustered(ENTRIES)
    # Few prototypes make a poor guide, so that the settings matter.
    space = fit(x, "test", settings=FitSettings(cells=48, prototypes=96)).space("chip")
    return Retriever(space, x)


def queries(retriever: Retriever, count: int, seed: int) -> Queries:
    x = clustered(count, seed)

    traces = retriever.traces(x, 40, QUERY_TERMS, GUIDE_SIZE)
    kinds = np.where(np.arange(count) % 2, "odd", "even")
    groups = np.arange(count).astype(str)
    return Queries(Replayer(traces, retriever.statistics, retriever.counts), kinds, groups)


@pytest.fixture(scope="module")
def parts(retriever: Retriever) -> tuple[Queries, Queries, Queries]:
    return queries(retriever, 80, 1), queries(retriever, 1_000, 2), queries(retriever, 200, 3)


@pytest.fixture(scope="module")
def made(parts: tuple[Queries, Queries, Queries]) -> list[Promise]:
    cases = [Case("image_to_image", 1.0, 10, target) for target in (0.8, 0.95, 0.99, 0.9999)]
    fitted, calibrating, report = parts
    path = settings_path(fitted.replayer, 10, Costs())
    return promises(cases, path, calibrating, report, Costs(), ENTRIES)


def test_the_target_is_kept_on_queries_that_were_never_seen(made: list[Promise]) -> None:
    for promise in made[:3]:
        assert promise.settings is not None
        assert promise.is_given
        assert promise.measured[ALL].high >= promise.case.target
        assert promise.recall == promise.measured[ALL].recall
        assert promise.measured.keys() == {ALL, "even", "odd"}
    spent = [promise.microseconds for promise in made[:3]]
    assert spent == sorted(spent)
    assert made[0].measured[ALL].scanned < made[2].measured[ALL].scanned < 1


def test_a_path_only_ever_goes_up(parts: tuple[Queries, Queries, Queries]) -> None:
    path = settings_path(parts[0].replayer, 10, Costs())
    assert len(path) > 3
    for below, above in itertools.pairwise(path):
        assert above != below
        assert above.query_terms >= below.query_terms
        assert above.guide_size >= below.guide_size
        assert above.patience >= below.patience
        assert above.open_above <= below.open_above
        assert above.cover >= below.cover
    assert path[-1].cover == 1.0
    assert path[-2].patience > path[-6].patience  # for queries that need more than these did


def test_a_dear_vector_makes_another_path(parts: tuple[Queries, Queries, Queries]) -> None:
    cheap = settings_path(parts[0].replayer, 10, Costs(read=0.001, vector=100))
    dear = settings_path(parts[0].replayer, 10, Costs(read=1_000, vector=0.001))
    assert max(s.patience for s in cheap) > max(s.patience for s in dear[:4])


def test_too_few_queries_give_no_promise(parts: tuple[Queries, Queries, Queries]) -> None:
    few, report = parts[0], parts[2]
    path = settings_path(few.replayer, 10, Costs())
    for kind in ("", "time"):
        case = Case("image_to_image", 1.0, 10, 0.95, kind)
        (promise,) = promises([case], path, few, report, Costs(), 1)
        assert not promise.is_given
        assert promise.settings is None  # everything is scanned


def test_a_kind_of_filter_needs_fewer_queries_than_a_mixture(
    parts: tuple[Queries, Queries, Queries],
) -> None:
    few, _, report = parts
    path = settings_path(few.replayer, 10, Costs())
    case = Case("image_to_image", 0.5, 10, 0.95, "time")
    (promise,) = promises([case], path, report, few, Costs(), ENTRIES)
    assert promise.is_given
    assert promise.queries == 200
    assert promise.settings is not None


def test_a_target_out_of_reach_scans_everything(made: list[Promise]) -> None:
    assert made[3].settings is None
    assert made[3].recall == 1.0


def test_a_promise_survives_being_saved(made: list[Promise]) -> None:
    assert [Promise.from_json(promise.to_json()) for promise in made] == made


def test_the_first_stop_within_the_risk() -> None:
    losses = np.array([[0.5] * 9, [0.0] * 8 + [0.5], [0.0] * 9])
    assert first_within(losses, 0.6) == 0  # (4.5 + 1) / 10
    assert first_within(losses, 0.5) == 1  # (0.5 + 1) / 10
    assert first_within(losses, 0.1) == 2  # (0 + 1) / 10
    assert first_within(losses, 0.05) == 3  # nine queries can never show it


def test_a_stop_is_as_bad_as_the_worst_after_it() -> None:
    losses = np.array([[0.0] * 99, [1.0] * 99, [0.0] * 99])
    assert first_within(losses, 0.02) == 2


def test_an_interval_knows_that_siblings_are_not_independent() -> None:
    rng = np.random.default_rng(0)
    of_image = rng.random(40)
    values = np.repeat(of_image, 25)
    low, high = bootstrap_interval(values, np.repeat(np.arange(40), 25).astype(str))
    alone_low, alone_high = bootstrap_interval(values, np.arange(1_000).astype(str))
    assert low < values.mean() < high
    assert high - low > 3 * (alone_high - alone_low)
