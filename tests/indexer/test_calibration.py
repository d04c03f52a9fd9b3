"""A calibrated archive keeps its promise, says so, and stops saying so when it no longer holds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from indexer.calibration import job
from indexer.calibration.bands import band_filters
from indexer.calibration.gallery import Gallery
from indexer.calibration.questions import Questions, drawn, read_questions
from indexer.calibration.replayed import Measurements, remeasure
from indexer.errors import QueriesError
from query_service import planner
from query_service.request import SearchRequest
from query_service.sample import SearchSample, sample_files
from query_service.search import Searcher
from scenestore.batch import BatchContent, CodedEntries
from scenestore.entry import Entry, Identity, Kind, Metadata, SceneOutcome
from scenestore.filters import Filter
from scenestore.generation import Generation
from sgpd import plan, settings_path
from sgpd.calibration import ALL, Calibration
from sgpd.encoders import Encoder
from sgpd.fit import FitSettings, fit
from sgpd.metrics import recall_at_k
from sgpd.plan import NEVER, Settings
from sgpd.replay import Replayer
from sgpd.settings_path import FILTERED_TERMS, GUIDE_SIZE, WIDEST
from sgpd.tracing import trace
from tests.builders import coded, embedded_generation, publish
from tests.vectors import clustered

SCENES = 1_800
RUNGS = {
    "query_terms": (32, 64, 128),
    "guide_size": (112, 400, 1_008),
    "patience": (16, 48, 128, 384, 1_008),
    "open_above": (NEVER, 0.2, 0.05, 0.01, 0.002, 0.0005, 0.0001),
    "cover": (0.9, 0.98, 0.995, 0.999, 0.9999),
}


def no_encoder() -> Encoder:
    raise AssertionError("nothing here needs a model")


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generation]:
    """Scenes with dates and places, under so few prototypes that the guide misses much."""
    vectors = clustered(SCENES, seed=4)
    bundle = fit(vectors, "test", settings=FitSettings(cells=48, prototypes=60))
    generation = embedded_generation(tmp_path_factory.mktemp("calibrated"), bundle)
    for start in range(0, SCENES, 600):
        rows = range(start, start + 600)
        publish_scenes(generation, vectors[start : start + 600], rows)
    yield generation
    generation.documents.close()


def publish_scenes(generation: Generation, vectors: np.ndarray, rows: range) -> None:
    entries = [
        Entry(Identity("chip", "c", f"s{i:05d}"), f"s{i:05d}.jpg", metadata=metadata(i))
        for i in rows
    ]
    outcomes = [SceneOutcome("c", e.identity.scene, "indexed", chips=1) for e in entries]
    parts: dict[Kind, CodedEntries] = {"chip": coded(generation.bundle, "chip", vectors, entries)}
    ordinal = generation.log.claim()
    digest = generation.bundle.digest
    generation.publish(BatchContent(ordinal, f"run-{ordinal}", digest, parts, outcomes, ()))


def metadata(i: int) -> Metadata:
    x, y = (i * 37 % 300) - 150.0, (i * 17 % 140) - 70.0
    ring = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1], [x, y]]
    return Metadata(
        datetime=f"20{10 + i % 15}-0{1 + i % 9}-1{i % 10}T00:00:00Z",
        cloud_cover=i % 101,
        properties={"pass": "ascending" if i % 2 else "descending", "orbit": i % 143},
        footprint={"type": "Polygon", "coordinates": [ring]},
    )


@pytest.fixture(scope="module")
def calibrated(generation: Generation) -> Calibration:
    assert generation.calibrations is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(job, "EXACT_MATCHES", 300)
        patched.setattr(job, "KS", (1, 10))
        # Half the questions under filters, and half the steps: a promise asks for no more of them.
        patched.setattr(job, "_ASKED_UNDER", 1)
        patched.setattr(settings_path, "_RUNGS", RUNGS)
        made = job.calibrate(generation, [drawn(generation, "chip", SCENES)])
    return generation.calibrations.replace(made)


def test_every_direction_k_target_and_band_is_calibrated(calibrated: Calibration) -> None:
    cells = {(p.case.band, p.case.filter, p.case.k, p.case.target) for p in calibrated.promises}
    kinds = {
        1.0: {""},
        0.5: {"time", "cloud", "place", "property", "several"},
        300 / SCENES: {"time", "cloud", "place", "several"},  # no property keeps a sixth
    }
    assert cells == {
        (band, kind, k, target)
        for band, those in kinds.items()
        for kind in those
        for k in (1, 10)
        for target in (0.95, 0.99)
    }
    for promise in calibrated.promises:
        assert promise.is_given
        assert promise.case.direction == "image_to_image"
        if promise.settings:
            assert promise.measured[ALL].high >= promise.case.target


def test_a_search_finds_what_was_promised(generation: Generation, calibrated: Calibration) -> None:
    searcher = Searcher(generation, no_encoder)
    recalls, expected = [], set()
    for query in clustered(150, seed=9):

        def ask(strategy: str, query: np.ndarray = query) -> tuple[np.ndarray, float | None]:
            answer = searcher.search(
                SearchRequest(
                    embedding=query,
                    embedded="image",
                    recall="0.95",
                    strategy=strategy,  # type: ignore[arg-type]
                )
            )
            return np.array([hit.score for hit in answer.hits]), answer.expected_recall

        found, recall = ask("guided")
        expected.add(recall)
        recalls.append(recall_at_k(found, ask("exhaustive")[0]))
    (said,) = expected
    assert said is not None
    assert said >= 0.93
    assert abs(np.mean(recalls) - said) < 0.03


@pytest.mark.parametrize("unlike", [{"k": 20}, {"recall": "0.995"}, {"embedded": None}])
def test_nothing_is_expected_where_nothing_was_calibrated(
    generation: Generation, calibrated: Calibration, unlike: dict[str, object]
) -> None:
    asked = {"embedding": clustered(1)[0], "embedded": "image", "strategy": "guided", **unlike}
    answer = Searcher(generation, no_encoder).search(SearchRequest(**asked))
    assert answer.expected_recall is None
    assert "recall is not known" in answer.reason


@pytest.mark.parametrize(
    ("where", "is_covered"),
    [
        (Filter(since=datetime(2012, 1, 1)), True),
        (Filter(cloud_cover=(0, 70)), True),
        (Filter(properties=(("pass", ("ascending",)),)), True),
        (Filter(since=datetime(2012, 1, 1), cloud_cover=(0, 80)), True),
        (Filter(collections=("c",)), False),  # keeps all: no filter of the kind took part
        (Filter(scenes=tuple(("c", f"s{i:05d}") for i in range(900))), False),
    ],
)
def test_a_filter_has_the_promise_of_its_kind_or_none(
    generation: Generation, calibrated: Calibration, where: Filter, is_covered: bool
) -> None:
    plans = planner.Planner(generation.bundle, lambda: calibrated)
    request = SearchRequest(
        embedding=clustered(1)[0],
        embedded="image",
        strategy="guided",
        recall="0.95",
        where=where,
    )
    matches = generation.documents.count("chip", where)
    assert matches > 300
    choice = plans.choose(request, generation.reader.segments("chip"), matches)
    promise = calibrated.covering("image_to_image", matches / SCENES, 10, 0.95, where.kind)
    if is_covered:
        assert promise is not None
        assert promise.settings is not None
        assert choice.expected_recall == promise.recall
        assert f"filters of its kind ({where.kind})" in choice.reason
    else:
        assert promise is None
        assert choice.expected_recall is None
        assert f"under a filter of its kind ({where.kind})" in choice.reason


def test_what_was_calibrated_before_kinds_of_filters_promises_nothing_under_one(
    calibrated: Calibration,
) -> None:
    saved = calibrated.to_json()
    for promise in saved["promises"]:
        del promise["case"]["filter"]
    old = Calibration.from_json(saved, calibrated.statistics)
    assert old.covering("image_to_image", 0.6, 10, 0.95, "time") is None
    assert old.covering("image_to_image", None, 10, 0.95) is not None


def test_between_two_calibrated_numbers_the_next_larger_holds(calibrated: Calibration) -> None:
    found = calibrated.covering("image_to_image", None, 5, 0.97)
    assert found is not None
    assert (found.case.k, found.case.target) == (10, 0.99)
    bands = {
        kept: promise.case.band
        for kept in (1.0, 0.7, 0.5, 0.2, 0.1)
        if (promise := calibrated.covering("image_to_image", kept, 10, 0.95, "time"))
    }
    assert bands == {1.0: 0.5, 0.7: 0.5, 0.5: 0.5, 0.2: 300 / SCENES}


def test_cells_without_a_match_are_not_scanned_and_nothing_is_lost(
    generation: Generation, calibrated: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a search as of its replay."""
    monkeypatch.setattr(planner, "EXACT_MATCHES", 10)
    where = Filter(properties=(("orbit", (1, 2, 3)),))
    kept = generation.documents.keys("chip", where, SCENES)
    query = clustered(1, seed=8)
    asked = SearchRequest(embedding=query[0], k=len(kept), strategy="guided", where=where)
    gallery = Gallery.open(generation, "chip")
    found, replayed = [], []
    for above in (SCENES, 0):
        monkeypatch.setattr(plan, "ASK_ABOVE", above)
        found.append(Searcher(generation, no_encoder).search(asked))
        traces = trace(
            gallery.segments,
            generation.bundle.space("chip").sparsifier,
            query,
            depth=len(kept),
            query_terms=FILTERED_TERMS,
            guide_size=GUIDE_SIZE,
            allowed=np.isin(gallery.keys, kept),
            narrowed=True,
        )
        replayer = Replayer(list(traces), calibrated.statistics["chip"], gallery.segments.counts)
        replayed.append(
            replayer.replay_one(0, Settings(**WIDEST, patience=64, open_above=0.01), 10)
        )
    every, few = found
    assert every.strategy == few.strategy == "guided"
    assert [hit.key for hit in few.hits] == [hit.key for hit in every.hits]
    assert len(few.hits) == len(kept)
    assert few.scanned < every.scanned
    assert "cells" in few.milliseconds
    assert replayed[0].recall == replayed[1].recall
    assert replayed[1].scanned <= replayed[0].scanned
    assert (replayed[0].asked, replayed[1].asked) == (0, int(replayed[0].scanned > 0))


def test_few_matches_are_scored_exactly(generation: Generation, calibrated: Calibration) -> None:
    searcher = Searcher(generation, no_encoder)
    scenes = tuple(("c", f"s{i:05d}") for i in range(0, 200, 2))
    where = Filter(scenes=scenes)
    query = clustered(1, seed=8)[0]
    few = searcher.search(SearchRequest(embedding=query, embedded="image", where=where))
    assert few.strategy == "matches"
    assert few.expected_recall == 1.0
    assert few.scanned == 100
    everything = searcher.search(SearchRequest(embedding=query, where=where, strategy="exhaustive"))
    assert [hit.key for hit in few.hits] == [hit.key for hit in everything.hits]


def test_a_weaker_calibration_takes_no_promise_away(
    generation: Generation, calibrated: Calibration
) -> None:
    few = job.calibrate(generation, [drawn(generation, "chip", 60)])
    kept = few.keeping(calibrated)
    assert kept.promises == calibrated.promises
    assert kept.selectors.keys() == calibrated.selectors.keys()
    grown = dataclasses.replace(calibrated, rows={"chip": SCENES + 1})
    assert few.keeping(grown) is few
    assert few.keeping(None) is few


def test_too_few_queries_scan_everything_and_say_so(generation: Generation) -> None:
    few = job.calibrate(generation, [drawn(generation, "chip", 300)])
    assert all(promise.settings is None for promise in few.promises)
    plans = planner.Planner(generation.bundle, lambda: few)
    request = SearchRequest(embedding=clustered(1)[0], embedded="image")
    choice = plans.choose(request, generation.reader.segments("chip"))
    assert choice.way == "exhaustive"
    assert "180 queries" in choice.reason


def test_a_calibration_of_another_bundle_is_not_used(
    tmp_path: Path, calibrated: Calibration
) -> None:
    other = embedded_generation(tmp_path)
    publish(other, ["a"], clustered(1))
    plans = planner.Planner(other.bundle, lambda: calibrated)
    request = SearchRequest(embedding=clustered(1)[0], embedded="image", strategy="guided")
    choice = plans.choose(request, other.reader.segments("chip"))
    assert choice.expected_recall is None
    assert choice.selector is None
    assert "not calibrated" in choice.reason


def test_a_promise_ends_when_the_archive_has_grown(
    generation: Generation, calibrated: Calibration
) -> None:
    then = dataclasses.replace(calibrated, rows={"chip": int(SCENES / 1.3)})
    plans = planner.Planner(generation.bundle, lambda: then)
    request = SearchRequest(embedding=clustered(1)[0], embedded="image", strategy="guided")
    choice = plans.choose(request, generation.reader.segments("chip"))
    assert choice.expected_recall is None
    assert "grown 1.3-fold" in choice.reason


def test_readers_follow_a_new_calibration_and_refuse_a_damaged_one(
    tmp_path: Path, calibrated: Calibration
) -> None:
    generation = embedded_generation(tmp_path)
    publish(generation, ["a"], clustered(1))
    reader = embedded_generation(tmp_path)
    assert generation.calibrations is not None
    assert reader.calibrations is not None
    assert reader.calibration() is None
    for _ in range(4):
        generation.calibrations.replace(calibrated)
    found = reader.calibrations.current(fresh=True)
    assert found is not None
    assert found.to_json() == calibrated.to_json()
    folders = sorted((tmp_path / "calibrations" / "g1").iterdir())
    assert len(folders) == 2
    (folders[-1] / "calibration.json").write_text("{}")
    later = embedded_generation(tmp_path)
    assert later.calibration() is None
    assert later.calibrations is not None
    assert "run `scenesift calibrate` again" in str(later.calibrations.fault)


def test_live_searches_are_sampled_and_measured_again(
    generation: Generation, calibrated: Calibration, tmp_path: Path
) -> None:
    file = tmp_path / "searches.jsonl"
    sample = SearchSample(file, 1.0, generation.bundle.digest)
    searcher = Searcher(generation, no_encoder, sample)
    recalls = []
    for query in clustered(60, seed=11):
        asked = {"embedding": query, "embedded": "image", "recall": "0.95"}
        found = searcher.search(SearchRequest(**asked, strategy="guided"))
        truth = searcher.search(SearchRequest(embedding=query, recall="exact"))
        scores = [np.array([hit.score for hit in answer.hits]) for answer in (found, truth)]
        recalls.append(recall_at_k(*scores))
    searcher.search(SearchRequest(embedding=clustered(1)[0], where=Filter(collections=("c",))))
    assert len(file.read_text().splitlines()) == 60  # neither exact nor filtered ones
    with file.open("a") as more:
        more.write("{torn\n")
    (measured,) = remeasure(generation, sample_files(file))
    assert (measured.direction, measured.k, measured.target) == ("image_to_image", 10, 0.95)
    assert measured.searches == 60
    assert measured.recall == pytest.approx(np.mean(recalls))
    kept = Measurements(generation.log.ledger, "g1")
    kept.keep([measured], "now")
    assert kept.last() == ("now", [measured])
    kept.drop()
    assert kept.last() is None


def test_a_sample_stays_bounded_and_never_fails_a_search(
    generation: Generation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query_service.sample._MOST_BYTES", 2_000)
    file = tmp_path / "searches.jsonl"
    request = SearchRequest(embedding=clustered(1)[0], embedded="text")
    choice = planner.Planner(generation.bundle, lambda: None).choose(
        dataclasses.replace(request, strategy="guided"), generation.reader.segments("chip")
    )
    for _ in range(40):
        SearchSample(file, 1.0, "digest").keep(request, clustered(1)[0], choice)
    old, new = sample_files(file)
    assert 0 < old.stat().st_size < 4_000
    assert 0 < new.stat().st_size < 4_000
    SearchSample(tmp_path / "gone" / "searches.jsonl", 1.0, "digest").keep(
        request, clustered(1)[0], choice
    )


def test_filters_of_a_band_keep_about_its_share(generation: Generation) -> None:
    live = np.array([key for key, _ in generation.documents.live("chip")])
    found = band_filters(generation, "chip", live, (0.1, 0.3))
    assert found.keys() == {"time", "cloud", "place", "several"}
    for kept in (keys for filters in found.values() for keys in filters):
        assert 0.05 <= len(kept) / SCENES < 0.3
    halves = band_filters(generation, "chip", live, (0.4, 0.6))["property"]
    assert [len(kept) for kept in halves] == [SCENES / 2] * 2


def test_questions_of_one_source_are_asked_once() -> None:
    sources = np.array(["a", "a", "b", "a", "b"])
    questions = Questions("text", clustered(5), np.full(5, "text"), (None,) * 5, sources)
    assert sorted(questions.one_a_source().sources.tolist()) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: not JSON"),
        ("[1]", "line 2: needs `text`"),
        ('{"text": " "}', "line 2: needs `text`"),
        ('{"image": "gone.png"}', "line 2: gone.png"),
        ('{"embedding": [1, 2], "asked": "text", "bundle": "b"}', "line 2: "),
        ('{"embedding": [0.1], "asked": "text", "bundle": "other"}', "goes with bundle other"),
    ],
)
def test_a_wrong_line_of_queries_is_named(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "queries.jsonl"
    good = {"embedding": [1.0] + [0.0] * 31, "asked": "text", "bundle": "b"}
    file.write_text(json.dumps(good) + "\n" + line + "\n")
    with pytest.raises(QueriesError, match=said):
        read_questions(file, no_encoder, "b", 32)


def test_an_empty_file_of_queries_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "queries.jsonl"
    file.write_text("\n")
    with pytest.raises(QueriesError, match="no query"):
        read_questions(file, no_encoder, "b", 32)
