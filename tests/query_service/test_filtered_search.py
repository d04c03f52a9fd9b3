"""Searches under filters are exact and complete where few entries match, on both engines."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.calibration.gallery import Gallery
from query_service import planner
from query_service.answer import Answer
from query_service.request import SearchRequest
from query_service.search import Searcher
from scenestore.batch import BatchContent, CodedEntries
from scenestore.entry import Entry, Identity, Kind, Metadata, SceneOutcome
from scenestore.filters import Box, Filter
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.opensearch.connection import Options, connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.reader import SegmentReader
from sgpd import plan
from sgpd.bundle import Bundle
from sgpd.encoders import Encoder
from sgpd.fit import FitSettings, fit
from sgpd.metrics import recall_at_k
from sgpd.replay import Replayer
from sgpd.settings_path import FILTERED_TERMS, GUIDE_SIZE, WIDEST
from sgpd.tracing import trace
from tests.builders import coded, embedded_generation
from tests.vectors import clustered

ENTRIES = 2_000
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
SHARES = (0.5, 0.1, 0.01, 0.001, 0.0001)
KINDS = ("random", "time", "place")


def no_encoder() -> Encoder:
    raise AssertionError("a search by vector needs no model")


class Content:
    """Vectors, and where each stands in orders that filters take a part of."""

    def __init__(self) -> None:
        self.vectors = clustered(ENTRIES, seed=21)
        ways = np.random.default_rng(5).standard_normal((2, self.vectors.shape[1]))
        self.day, self.longitude = (np.argsort(np.argsort(self.vectors @ way)) for way in ways)
        self.cloud = np.random.default_rng(6).permutation(ENTRIES)

    def metadata(self, row: int) -> Metadata:
        x = _longitude(int(self.longitude[row]))
        return Metadata(
            datetime=(FIRST + timedelta(days=int(self.day[row]))).isoformat(),
            cloud_cover=100 * int(self.cloud[row]) / ENTRIES,
            footprint={"type": "Point", "coordinates": [x, 10.0]},
        )

    def filter(self, kind: str, share: float) -> tuple[Filter, NDArray[np.int64]]:
        """A filter, and the rows that pass it; time and place go with the content."""
        count = round(share * ENTRIES)
        if kind == "random":
            where = Filter(cloud_cover=(0.0, 100 * (count - 0.5) / ENTRIES if count else 0.0))
            held = self.cloud < max(count, 1)
        elif kind == "time":
            where = Filter(until=FIRST + timedelta(days=count - 0.5))
            held = self.day < count
        else:
            where = Filter(bbox=Box(-180, 9, _longitude(count) - 0.04, 11))
            held = self.longitude < count
        return where, np.flatnonzero(held)


def _longitude(place: int) -> float:
    return place * 0.08 - 80


CONTENT = Content()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """So few query terms are shared that the guide of a far filter is short."""
    return fit(CONTENT.vectors, "test", settings=FitSettings(cells=60, prototypes=700))


@pytest.fixture(
    scope="module", params=["embedded", pytest.param("opensearch", marks=pytest.mark.opensearch)]
)
def generation(
    request: pytest.FixtureRequest, bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Generation]:
    home = tmp_path_factory.mktemp("filtered")
    if request.param == "embedded":
        generation = embedded_generation(home, bundle)
        fill(generation)
        yield generation
        generation.documents.close()
        return
    client = connect(Options((request.getfixturevalue("opensearch"),)))
    prefix = f"t{uuid.uuid4().hex[:12]}"
    reader = SegmentReader(bundle, Log(OpenSearchLedger(client, prefix), "g1"), LocalStore(home))
    generation = Generation(reader, OpenSearchDocuments(client, prefix, "g1", reader))
    generation.create()
    fill(generation)
    yield generation
    for index in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=index)


def fill(generation: Generation) -> None:
    for start in range(0, ENTRIES, 500):
        rows = range(start, start + 500)
        entries = [
            Entry(Identity("chip", "c", f"s{i:05d}"), f"s{i:05d}.jpg", metadata=CONTENT.metadata(i))
            for i in rows
        ]
        parts: dict[Kind, CodedEntries] = {
            "chip": coded(
                generation.bundle, "chip", CONTENT.vectors[rows.start : rows.stop], entries
            )
        }
        outcomes = [SceneOutcome("c", e.identity.scene, "indexed", chips=1) for e in entries]
        ordinal = generation.log.claim()
        generation.publish(
            BatchContent(ordinal, f"run-{ordinal}", generation.bundle.digest, parts, outcomes, ())
        )
    generation.documents.refresh()


def scenes(answer: Answer) -> list[str]:
    return [hit.entry.identity.scene for hit in answer.hits]


def scores(answer: Answer) -> list[float]:
    return [hit.score for hit in answer.hits]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", KINDS)
def test_few_matches_are_all_scored_whatever_the_filter(
    generation: Generation, kind: str, share: float
) -> None:
    where, rows = CONTENT.filter(kind, share)
    searcher = Searcher(generation, no_encoder)
    for query in clustered(3, seed=30):
        asked = SearchRequest(embedding=query, embedded="text", k=10, where=where)
        answer = searcher.search(asked)
        truth = searcher.search(dataclasses.replace(asked, strategy="exhaustive"))
        assert answer.strategy == "matches"
        assert answer.expected_recall == 1.0
        assert answer.scanned == len(rows)
        assert len(answer.hits) == min(10, len(rows))
        assert scenes(answer) == scenes(truth)
        assert {int(scene[1:]) for scene in scenes(answer)} <= set(rows.tolist())


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [10, 100])
def test_a_guided_search_never_has_fewer_hits_than_there_are_matches(
    generation: Generation, kind: str, share: float, k: int
) -> None:
    where, rows = CONTENT.filter(kind, share)
    searcher = Searcher(generation, no_encoder)
    due = min(k, len(rows))
    found = 0
    for query in clustered(8, seed=31):
        asked = SearchRequest(
            embedding=query, embedded="text", k=k, where=where, strategy="guided", recall="0.99"
        )
        answer = searcher.search(asked)
        truth = searcher.search(dataclasses.replace(asked, strategy="exhaustive"))
        assert len(answer.hits) == len(truth.hits) == due
        assert answer.expected_recall is None  # nothing is calibrated
        found += sum(score >= min(scores(truth)) for score in scores(answer))
    assert found >= 0.95 * 8 * due


def test_a_filter_far_from_the_query_opens_few_cells(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide has next to nothing there, and yet most of the archive stays closed."""
    where, _ = CONTENT.filter("time", 0.1)
    searcher = Searcher(generation, no_encoder)
    opened, everything, short = 0, 0, 0
    for query in clustered(20, seed=32):
        asked = SearchRequest(embedding=query, k=50, where=where, strategy="guided", recall="0.95")
        answer = searcher.search(asked)
        if answer.guide >= 50:
            continue
        short += 1
        assert "cells" in answer.milliseconds
        opened += answer.scanned
        with monkeypatch.context() as patched:
            every = {t: dataclasses.replace(s, cover=1.0) for t, s in plan.RECALL_SETTINGS.items()}
            patched.setattr(planner, "RECALL_SETTINGS", every)
            whole = searcher.search(asked)
        everything += whole.scanned
        truth = searcher.search(dataclasses.replace(asked, strategy="exhaustive"))
        assert scenes(whole) == scenes(truth)
    assert short >= 5
    assert opened < 0.7 * everything


def test_what_a_like_search_leaves_out_takes_no_place_of_others(generation: Generation) -> None:
    where, rows = CONTENT.filter("time", 0.01)
    first = generation.documents.keys("chip", where, 1)
    (entry,) = generation.documents.fetch("chip", first.tolist(), where).values()
    answer = Searcher(generation, no_encoder).search(
        SearchRequest(like=entry.identity.id, k=len(rows), where=where, strategy="guided")
    )
    assert len(answer.hits) == len(rows) - 1
    assert entry.identity.scene not in scenes(answer)


def test_a_search_does_what_its_replay_does(generation: Generation) -> None:
    """What is calibrated is what is searched, where guides are short and where they are not."""
    where, _ = CONTENT.filter("time", 0.2)
    searcher = Searcher(generation, no_encoder)
    gallery = Gallery.open(generation, "chip")
    space = generation.bundle.space("chip")
    queries = clustered(20, seed=32)
    traces = trace(
        gallery.segments,
        space.sparsifier,
        queries,
        depth=60,
        query_terms=FILTERED_TERMS,
        guide_size=GUIDE_SIZE,
        allowed=np.isin(gallery.keys, generation.documents.keys("chip", where, ENTRIES)),
        narrowed=True,
    )
    replayer = Replayer(list(traces), space.cells.prior, gallery.segments.counts)
    settings = dataclasses.replace(plan.RECALL_SETTINGS[0.95], **WIDEST)
    shorts = set()
    for k in (10, 50):
        for query, did in zip(queries, replayer.replay(settings, k), strict=True):
            asked = SearchRequest(
                embedding=query, k=k, where=where, strategy="guided", recall="0.95"
            )
            answer = searcher.search(asked)
            truth = searcher.search(dataclasses.replace(asked, strategy="exhaustive"))
            found = recall_at_k(np.array(scores(answer)), np.array(scores(truth)))
            assert (did.read + did.scanned, did.opened) == (answer.scanned, len(answer.cells))
            assert did.recall == pytest.approx(found)
            assert did.asked == int("cells" in answer.milliseconds)
            shorts.add(answer.guide < k)
    assert shorts == {False, True}
