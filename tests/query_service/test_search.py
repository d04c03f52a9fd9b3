"""The search pipeline against plain exhaustive scoring of every live vector."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from query_service.deadline import due
from query_service.errors import TimedOutError
from query_service.percentile import top_share
from query_service.request import RequestError, SearchRequest
from query_service.search import Searcher
from scenestore.batch import Batch
from scenestore.compaction import compact
from scenestore.entry import Identity
from scenestore.filters import Filter
from scenestore.generation import Generation
from scenestore.keys import ROW_BITS
from sgpd import plan
from sgpd.embeddings import stored
from sgpd.encoders import Encoder
from sgpd.scoring import exact_scores
from tests.builders import embedded_generation, publish
from tests.vectors import clustered


def no_encoder() -> Encoder:
    raise AssertionError("a search by vector or id needs no model")


@pytest.fixture
def generation(tmp_path: Path) -> Generation:
    """400 chips in four batches, every tenth vector a duplicate of its neighbour."""
    generation = embedded_generation(tmp_path)
    vectors = archive_vectors()
    for start in range(0, 400, 100):
        scenes = [f"s{i:03d}" for i in range(start, start + 100)]
        publish(generation, scenes, vectors[start : start + 100])
    return generation


def archive_vectors() -> NDArray[np.float32]:
    vectors = clustered(400, seed=1)
    vectors[9::10] = vectors[8::10]
    return vectors


def every_cell_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    open_all = {
        target: dataclasses.replace(settings, open_above=0.0)
        for target, settings in plan.RECALL_SETTINGS.items()
    }
    monkeypatch.setattr("query_service.planner.RECALL_SETTINGS", open_all)


def ranked(vectors: NDArray[np.float32], query: NDArray[np.float32]) -> list[tuple[float, str]]:
    scores = exact_scores(query, stored(vectors))
    return [(float(scores[i]), f"s{i:03d}") for i in np.argsort(-scores, kind="stable")]


def test_dead_copies_and_filters_do_not_hide_hits_in_opened_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_cell_opens(monkeypatch)
    generation = embedded_generation(tmp_path)
    vectors = archive_vectors()
    scenes = [f"s{i:03d}" for i in range(400)]
    for _ in range(5):  # four copies of each are dead
        publish(generation, scenes, vectors)
    searcher = Searcher(generation, no_encoder)
    for query in clustered(5, seed=6):
        far = tuple(("c", scene) for _, scene in ranked(vectors, query)[200:])
        for where in (Filter(), Filter(scenes=far)):
            guided, exact = (
                searcher.search(SearchRequest(embedding=query, where=where, strategy=strategy))
                for strategy in ("guided", "exhaustive")
            )
            assert [hit.key for hit in guided.hits] == [hit.key for hit in exact.hits]


@pytest.mark.parametrize("strategy", ["guided", "exhaustive"])
@pytest.mark.parametrize("k", [1, 10, 60, 400, 1000])
def test_with_all_cells_open_a_search_is_exact_to_the_last_tie(
    generation: Generation, monkeypatch: pytest.MonkeyPatch, strategy: str, k: int
) -> None:
    every_cell_opens(monkeypatch)
    searcher = Searcher(generation, no_encoder)
    for query in clustered(6, seed=2):
        answer = searcher.search(SearchRequest(embedding=query, k=k, strategy=strategy))  # type: ignore[arg-type]
        expected = ranked(archive_vectors(), query)[:k]
        found = [(hit.score, hit.entry.identity.scene) for hit in answer.hits]
        assert [score for score, _ in found] == [score for score, _ in expected]
        assert {scene for score, scene in found if score > expected[-1][0]} == {
            scene for score, scene in expected if score > expected[-1][0]
        }
        assert [hit.key for hit in answer.hits] == [
            key for _, key in sorted((-hit.score, hit.key) for hit in answer.hits)
        ]


def test_the_guided_answer_says_what_it_scored(generation: Generation) -> None:
    searcher = Searcher(generation, no_encoder)
    answer = searcher.search(SearchRequest(embedding=clustered(1, 3)[0], strategy="guided"), True)
    assert answer.strategy == "guided"
    assert answer.entries == 400
    assert answer.expected_recall is None
    assert answer.scanned >= len(answer.hits)
    assert answer.scanned >= sum(cell.vectors for cell in answer.cells)
    assert list(answer.milliseconds)[:3] == ["embedding", "code", "guide"]
    assert sum(term.share for term in answer.query_terms) == pytest.approx(1)
    best = answer.hits[0]
    assert best.terms
    assert sum(term.share for term in best.terms) == pytest.approx(1)
    assert 99 <= best.percentile < 100


def test_no_entry_beats_all_entries_however_few_of_them_were_drawn(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = SearchRequest(embedding=clustered(1, 3)[0], k=400)
    exact = [hit.percentile for hit in Searcher(generation, no_encoder).search(request).hits]
    assert exact[0] == 99.75  # 399 of 400
    assert exact[-1] == 0
    monkeypatch.setattr("query_service.percentile.SAMPLE", 9)
    drawn = [hit.percentile for hit in Searcher(generation, no_encoder).search(request).hits]
    assert max(drawn) == 90  # nine of nine drawn, and itself
    assert drawn == sorted(drawn, reverse=True)


@pytest.mark.parametrize(
    ("percentile", "share"),
    [(99.95, "0.05"), (100 - 100 / 1628, "0.07"), (99.0, "1.0"), (96.66, "3.4"), (43, "57"),
     (10.2, "90"), (0, "100")],
)  # fmt: skip
def test_the_best_are_said_to_be_of_no_smaller_a_share_than_they_are(
    percentile: float, share: str
) -> None:
    assert top_share(percentile) == share


def test_hits_of_one_batch_are_explained_by_opening_it_once(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []
    batch = Generation.batch

    def counted(self: Generation, ordinal: int) -> Batch:
        opened.append(ordinal)
        return batch(self, ordinal)

    monkeypatch.setattr(Generation, "batch", counted)
    searcher = Searcher(generation, no_encoder)
    answer = searcher.search(SearchRequest(embedding=clustered(1, 3)[0], k=60), explain=True)
    ordinals = {hit.key >> ROW_BITS for hit in answer.hits}
    assert len(ordinals) > 1
    assert sorted(opened) == sorted(ordinals)
    assert all(hit.terms for hit in answer.hits[:10])


@pytest.mark.parametrize("explain", [False, True])
def test_a_search_that_is_late_ends(generation: Generation, explain: bool) -> None:
    searcher = Searcher(generation, no_encoder)
    request = SearchRequest(embedding=clustered(1, 3)[0])
    with due(time.monotonic() + 60):
        assert searcher.search(request, explain).hits
    with due(time.monotonic() - 1), pytest.raises(TimedOutError, match="no time left"):
        searcher.search(request, explain)


def test_a_small_archive_is_scanned_whole(generation: Generation) -> None:
    searcher = Searcher(generation, no_encoder)
    answer = searcher.search(SearchRequest(embedding=clustered(1, 3)[0]))
    assert (answer.strategy, answer.scanned, answer.expected_recall) == ("exhaustive", 400, 1.0)


@pytest.mark.parametrize("strategy", ["guided", "exhaustive"])
def test_like_leaves_out_its_own_scene(generation: Generation, strategy: str) -> None:
    own = Identity("chip", "c", "s008")
    searcher = Searcher(generation, no_encoder)
    request = SearchRequest(like=own.id, k=5, strategy=strategy)  # type: ignore[arg-type]
    hits = searcher.search(request).hits
    assert len(hits) == 5
    assert hits[0].entry.identity.scene == "s009"  # its duplicate
    assert "s008" not in {hit.entry.identity.scene for hit in hits}


@pytest.mark.parametrize("strategy", ["guided", "exhaustive"])
def test_deleted_and_replaced_entries_are_not_found(generation: Generation, strategy: str) -> None:
    query = archive_vectors()[8]
    publish(
        generation, [], np.empty((0, 32), np.float32), tombstones=[Identity("chip", "c", "s008")]
    )
    publish(generation, ["s009"], -query[None])
    searcher = Searcher(generation, no_encoder)
    request = SearchRequest(embedding=query, k=399, strategy=strategy)  # type: ignore[arg-type]
    hits = searcher.search(request).hits
    scenes = [hit.entry.identity.scene for hit in hits]
    assert "s008" not in scenes
    assert len(scenes) == len(set(scenes)) == 399
    assert scenes[-1] == "s009"
    assert hits[-1].score == pytest.approx(-1, abs=1e-3)


@pytest.mark.parametrize("strategy", ["guided", "exhaustive"])
def test_a_filter_still_gives_k_hits(generation: Generation, strategy: str) -> None:
    kept = tuple(("c", f"s{i:03d}") for i in range(0, 400, 80))
    request = SearchRequest(
        embedding=clustered(1, 4)[0],
        k=5,
        strategy=strategy,  # type: ignore[arg-type]
        where=Filter(scenes=kept),
    )
    hits = Searcher(generation, no_encoder).search(request).hits
    assert {("c", hit.entry.identity.scene) for hit in hits} == set(kept)


def test_answers_stay_the_same_when_segments_are_compacted(tmp_path: Path) -> None:
    generation = embedded_generation(tmp_path)
    vectors = archive_vectors()
    for start in range(0, 400, 50):
        scenes = [f"s{i:03d}" for i in range(start, start + 50)]
        publish(generation, scenes, vectors[start : start + 50])
    publish(generation, ["s007"], vectors[100:101])
    searcher = Searcher(generation, no_encoder)
    requests = [
        SearchRequest(embedding=query, strategy=strategy)
        for query in clustered(10, seed=5)
        for strategy in ("guided", "exhaustive")
    ]

    def answers() -> list[list[tuple[int, float, str]]]:
        found = (searcher.search(request).hits for request in requests)
        return [[(hit.key, hit.score, hit.entry.identity.scene) for hit in hits] for hits in found]

    before = answers()
    assert compact(generation)
    assert len(list(generation.reader.segments("chip"))) < 9
    assert answers() == before


def test_another_reader_sees_a_batch_without_being_told(tmp_path: Path) -> None:
    writer = embedded_generation(tmp_path)
    vectors = clustered(40, seed=6)
    publish(writer, [f"a{i}" for i in range(20)], vectors[:20])
    reader = embedded_generation(tmp_path)
    searcher = Searcher(reader, no_encoder)
    request = SearchRequest(embedding=vectors[30], k=1)
    searcher.search(request)
    publish(writer, [f"b{i}" for i in range(20)], vectors[20:])
    reader.reader.head(fresh=True)
    assert searcher.search(request).hits[0].entry.identity.scene == "b10"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"text": "ships", "k": 0}, "at least 1"),
        ({"text": "   "}, "empty"),
        ({}, "one of"),
        ({"text": "ships", "like": "x"}, "a text and an entry to be like; give only one"),
    ],
)
def test_a_request_that_cannot_be_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(RequestError, match=says):
        SearchRequest(**wrong)  # type: ignore[arg-type]


def test_an_unknown_id_is_refused(generation: Generation) -> None:
    with pytest.raises(RequestError, match="no entry has the id"):
        Searcher(generation, no_encoder).search(SearchRequest(like="nothing"))


def test_an_empty_archive_has_no_hits(tmp_path: Path) -> None:
    searcher = Searcher(embedded_generation(tmp_path), no_encoder)
    for strategy in ("guided", "exhaustive"):
        answer = searcher.search(SearchRequest(embedding=clustered(1)[0], strategy=strategy))
        assert answer.hits == ()
