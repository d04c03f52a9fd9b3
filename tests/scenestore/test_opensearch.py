"""The OpenSearch engine keeps the contract of every engine, on a real node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opensearchpy import OpenSearch

from scenestore.aggregation import Grouping
from scenestore.errors import StoreError, UnavailableError
from scenestore.filters import ANY, Filter
from scenestore.generation import Generation
from scenestore.listing import orders
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.opensearch import aggregation, bulk
from scenestore.opensearch.connection import Options, connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.indices import IndexSettings
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from tests.scenestore import listing_oracle
from tests.scenestore.builders import BatchMaker, chip, indexed, small_bundle
from tests.scenestore.documents_contract import ENTRIES, DocumentsContract, OpenDocuments
from tests.scenestore.ledger_contract import LedgerContract, OpenLedger
from tests.scenestore.proxy import Answer, Request, proxy


class TestOpenSearchLedger(LedgerContract):
    """A document of an index is a document."""

    @pytest.fixture
    def open_ledger(self, opensearch: str, prefix: str) -> OpenLedger:
        return lambda: OpenSearchLedger(connect(Options((opensearch,))), prefix)


class TestOpenSearchDocuments(DocumentsContract):
    """Documents and codes in one index a kind."""

    @pytest.fixture
    def ledger(self, client: OpenSearch, prefix: str) -> OpenSearchLedger:
        return OpenSearchLedger(client, prefix)

    @pytest.fixture
    def open_documents(self, opensearch: str, prefix: str) -> OpenDocuments:
        return lambda reader: OpenSearchDocuments(
            connect(Options((opensearch,))), prefix, "g1", reader
        )

    @pytest.fixture
    def age(self, client: OpenSearch, prefix: str) -> Callable[[], None]:
        def age() -> None:
            for index, body in client.indices.get_mapping(index=f"{prefix}-g1-*").items():
                meta = {"scenesift": {**body["mappings"]["_meta"]["scenesift"], "format": 0}}
                client.indices.put_mapping(index=index, body={"_meta": meta})

        return age


@pytest.fixture
def reader(client: OpenSearch, prefix: str, bundle: Bundle, tmp_path: Path) -> SegmentReader:
    return SegmentReader(
        bundle, Log(OpenSearchLedger(client, prefix), "g1"), LocalStore(tmp_path / "g1")
    )


@pytest.fixture
def generation(client: OpenSearch, prefix: str, reader: SegmentReader) -> Generation:
    generation = Generation(reader, OpenSearchDocuments(client, prefix, "g1", reader))
    generation.create()
    return generation


def test_counts_that_come_in_many_answers_are_whole(
    generation: Generation, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [
        chip(f"s{n}", datetime=f"20{n:02d}-01-01T00:00:00Z", footprint=_point(10 * n))
        for n in range(10)
    ]
    generation.publish(make_batch(1, entries))
    generation.documents.refresh()
    monkeypatch.setattr(aggregation, "_PAGE", 3)
    for grouping in (Grouping("year"), Grouping("tile", zoom=8)):
        found = generation.documents.aggregate("chip", ANY, grouping, "scene")
        assert [group.count for group in found.groups] == [1] * 10
        assert (found.total, found.distinct, found.others) == (10, 10, 0)


def test_listings_and_counts_are_whole_over_several_shards(
    client: OpenSearch, prefix: str, reader: SegmentReader, make_batch: BatchMaker
) -> None:
    documents = OpenSearchDocuments(client, prefix, "g1", reader, IndexSettings(shards=3))
    generation = Generation(reader, documents)
    generation.create()
    batch = generation.publish(make_batch(1, listing_oracle.entries()))
    documents.refresh()
    stored = dict(zip(batch.keys("chip").tolist(), batch.entries("chip"), strict=True))
    for grouping in (Grouping("term", 2), Grouping("tile", 3, zoom=6), Grouping("day", 3)):
        expected = listing_oracle.counts(stored, ANY, grouping, "scene")
        assert documents.aggregate("chip", ANY, grouping, "scene") == expected
    for names in (["-datetime"], ["orbit", "-platform"]):
        order = orders(names)
        rest = listing_oracle.listed(stored, ANY, order, "scene")
        after = None
        while page := documents.listing("chip", ANY, order, 40, after, "scene"):
            assert [(one.key, one.position) for one in page] == rest[:40]
            rest, after = rest[40:], page[-1].position
        assert not rest


# --- what stands in OpenSearch for others to use


def test_dashboards_find_the_live_generation_by_the_same_names_after_a_rebuild(
    client: OpenSearch, prefix: str, generation: Generation, make_batch: BatchMaker
) -> None:
    batch = generation.publish(make_batch(1, [chip("a")], outcomes=[indexed("a")]))
    second = OpenSearchDocuments(client, prefix, "g2", generation.reader)
    second.create()
    generation.documents.reset()
    generation.documents.write(batch)
    generation.documents.swap()
    for name in ("chip", "caption", "scenes"):
        (index,) = client.indices.get_alias(name=f"{prefix}-{name}")
        assert index == f"{prefix}-g1-{name}-2"
    assert client.count(index=f"{prefix}-chip")["count"] == 1
    assert client.count(index=f"{prefix}-scenes")["count"] == 1


def test_a_document_shows_where_it_lies_and_what_it_says_but_not_its_code(
    client: OpenSearch, prefix: str, generation: Generation, make_batch: BatchMaker
) -> None:
    square = {"type": "Polygon", "coordinates": [[[8, 47], [9, 47], [9, 48], [8, 48], [8, 47]]]}
    properties = {"orbit": 51, "seen": "2020-01-02", "pass": "ascending"}
    entry = chip("a", 2, footprint=square, properties=properties)
    batch = generation.publish(make_batch(7, [entry]))
    document = client.get(index=f"{prefix}-chip", id=entry.identity.id)["_source"]
    assert "sp" not in document
    assert document["identity"] == '["chip","c","a",[128,0,64,64]]'
    assert document["window"] == {"column": 128, "row": 0, "width": 64, "height": 64}
    assert document["center"] == {"lon": 8.5, "lat": 47.5}
    assert document["place"] == "7/67/44"
    assert (document["key"], document["batch"]) == (int(batch.keys("chip")[0]), 7)
    assert document["cluster"] == batch.cells("chip")[0]
    generation.documents.refresh()
    for query in (
        {"geo_bounding_box": {"center": {"top_left": [8, 48], "bottom_right": [9, 47]}}},
        {"geo_shape": {"footprint": {"shape": {"type": "Point", "coordinates": [8.9, 47.1]}}}},
        {"term": {"properties.pass": "ascending"}},
        _nested("numbers", "orbit", {"gte": 50, "lt": 52}),
        _nested("dates", "seen", {"gte": "2020-01-01", "lt": "2021-01-01"}),
    ):
        assert client.count(index=f"{prefix}-chip", body={"query": query})["count"] == 1


def _nested(path: str, name: str, bounds: dict[str, Any]) -> dict[str, Any]:
    conditions = [{"term": {f"{path}.name": name}}, {"range": {f"{path}.value": bounds}}]
    return {"nested": {"path": path, "query": {"bool": {"filter": conditions}}}}


def test_the_centre_of_a_footprint_over_the_date_line_lies_in_it(
    client: OpenSearch, prefix: str, generation: Generation, make_batch: BatchMaker
) -> None:
    generation.publish(make_batch(1, [ENTRIES["over the date line"]]))
    id = ENTRIES["over the date line"].identity.id
    document = client.get(index=f"{prefix}-chip", id=id)["_source"]
    assert abs(document["center"]["lon"]) == 180
    assert document["center"]["lat"] == -17.5


def test_an_index_being_filled_has_settings_for_loading_and_serves_with_its_own(
    client: OpenSearch, prefix: str, reader: SegmentReader
) -> None:
    settings = IndexSettings(shards=2, replicas=2, refresh_seconds=1.5)
    documents = OpenSearchDocuments(client, prefix, "g1", reader, settings)
    documents.create()

    def of(index: str) -> list[str]:
        kept = client.indices.get_settings(index=index)[index]["settings"]["index"]
        names = ("refresh_interval", "auto_expand_replicas", "number_of_replicas")
        return [kept[name] for name in (*names, "number_of_shards")]

    documents.reset()
    assert of(f"{prefix}-g1-chip-1") == ["1500ms", "0-2", "0", "2"]
    assert of(f"{prefix}-g1-chip-2") == ["-1", "false", "0", "2"]
    documents.swap()
    assert of(f"{prefix}-g1-chip-2") == ["1500ms", "0-2", "0", "2"]


def test_who_only_reads_makes_no_index(client: OpenSearch, prefix: str) -> None:
    ledger = OpenSearchLedger(client, prefix)
    assert ledger.read("log-g1") is None
    assert ledger.names("") == []
    assert not client.indices.exists(index=f"{prefix}-ledger")


def test_a_large_batch_goes_in_many_requests(
    client: OpenSearch,
    generation: Generation,
    make_batch: BatchMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "CHUNK_BYTES", 4_000)
    generation.publish(make_batch(1, [chip(f"s{i}") for i in range(200)]))
    generation.documents.refresh()
    assert generation.documents.count("chip", ANY) == 200


# --- what can go wrong


def test_a_user_without_the_right_to_write_is_told(
    opensearch: str, prefix: str, generation: Generation, make_batch: BatchMaker
) -> None:
    denied = {"type": "security_exception", "reason": "no permissions for [indices:data/write]"}

    def guard(request: Request) -> Answer | None:
        return (403, {"error": denied, "status": 403}) if "_bulk" in request.path else None

    with proxy(opensearch, guard) as url:
        limited = OpenSearchDocuments(connect(Options((url,))), prefix, "g1", generation.reader)
        with pytest.raises(StoreError, match=r"does not permit this: no permissions.*grant it"):
            Generation(generation.reader, limited).publish(make_batch(1, [chip("a")]))


def test_a_read_only_index_is_named_and_the_batch_can_be_completed_later(
    client: OpenSearch, prefix: str, generation: Generation, make_batch: BatchMaker
) -> None:
    block = {"index.blocks.read_only_allow_delete": True}
    client.indices.put_settings(index=f"{prefix}-g1-chip", body=block)
    with pytest.raises(StoreError, match=r'\["chip","c","a",null\] is read-only.*make room'):
        generation.publish(make_batch(1, [chip("a")]))
    assert generation.log.head().batches == ()
    free = {"index.blocks.read_only_allow_delete": None}
    client.indices.put_settings(index=f"{prefix}-g1-chip", body=free)
    for batch in generation.unfinished():
        generation.complete(batch)
    assert generation.documents.lookup(chip("a").identity.id) is not None


def test_a_read_only_ledger_is_named(client: OpenSearch, prefix: str) -> None:
    ledger = OpenSearchLedger(client, prefix)
    version = ledger.write("n", {}, None)
    client.indices.put_settings(index=f"{prefix}-ledger", body={"index.blocks.write": True})
    with pytest.raises(StoreError, match="is read-only"):
        ledger.write("n", {}, version)


@pytest.mark.parametrize("name", ["g1-chip", "chip", "ledger"])
def test_a_foreign_index_of_that_name_is_left_alone_and_named(
    name: str, client: OpenSearch, prefix: str, reader: SegmentReader
) -> None:
    client.indices.create(index=f"{prefix}-{name}")
    documents = OpenSearchDocuments(client, prefix, "g1", reader)
    with pytest.raises(StoreError, match=rf"index {prefix}-{name} that SceneSift did not make"):
        Generation(reader, documents).create()
    documents.drop()
    assert client.indices.exists(index=f"{prefix}-{name}")


def test_a_foreign_index_named_like_a_revision_is_left_alone(
    client: OpenSearch, prefix: str, generation: Generation
) -> None:
    client.indices.create(index=f"{prefix}-g1-chip-7")
    generation.documents.reset()
    generation.documents.swap()
    generation.documents.drop()
    assert client.indices.exists(index=f"{prefix}-g1-chip-7")


def test_an_index_of_another_bundle_is_refused_with_both_digests(
    client: OpenSearch, prefix: str, generation: Generation
) -> None:
    other = small_bundle(seed=1)
    reader = SegmentReader(other, generation.log, generation.store)
    digests = rf"bundle {generation.bundle.digest}, not {other.digest}"
    with pytest.raises(StoreError, match=digests):
        OpenSearchDocuments(client, prefix, "g1", reader).create()


def test_a_lost_index_is_named_and_not_made_anew_by_a_write(
    client: OpenSearch, prefix: str, generation: Generation, make_batch: BatchMaker
) -> None:
    client.indices.delete(index=f"{prefix}-g1-chip-1")
    for use in (
        lambda: generation.publish(make_batch(1, [chip("a")])),
        lambda: generation.documents.count("chip", ANY),
        lambda: generation.documents.lookup("x"),
        lambda: generation.documents.guide(
            "chip", np.array([1], np.uint32), np.ones(1, np.float32), 1, Filter(("c",))
        ),
    ):
        with pytest.raises(StoreError, match=rf"{prefix}-g1-chip.*run `scenesift rebuild`"):
            use()
    assert not client.indices.exists(index=f"{prefix}-g1-chip")


def test_a_document_that_is_refused_is_named_with_the_reason(
    generation: Generation, make_batch: BatchMaker
) -> None:
    entries = [chip("fine"), chip("odd", cloud_cover=float("nan"))]
    with pytest.raises(StoreError, match=r'\["chip","c","odd",null\].*NaN'):
        generation.publish(make_batch(1, entries))


@pytest.mark.parametrize("whole", [True, False])
def test_what_an_overloaded_node_rejects_is_sent_again(
    whole: bool,
    opensearch: str,
    prefix: str,
    generation: Generation,
    make_batch: BatchMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rejected as a whole request, or item by item."""
    monkeypatch.setattr(bulk, "FIRST_WAIT", 0.01)
    full = {"type": "rejected_execution_exception", "reason": "queue is full"}
    sent: list[int] = []

    def overload(request: Request) -> Answer | None:
        if "_bulk" not in request.path:
            return None
        sent.append(request.body.count(b"\n") // 2)
        if len(sent) > 2:
            return None
        items = [{"index": {"status": 429, "error": full}}] * sent[-1]
        if whole:
            return 429, {"error": full, "status": 429}
        return 200, {"errors": True, "items": [{"index": {"status": 201}}, *items[1:]]}

    with proxy(opensearch, overload) as url:
        documents = OpenSearchDocuments(connect(Options((url,))), prefix, "g1", generation.reader)
        Generation(generation.reader, documents).publish(
            make_batch(1, [chip(f"s{i}") for i in range(4)])
        )
    assert sent == ([4, 4, 4] if whole else [4, 3, 2])


def test_a_node_that_stays_overloaded_is_named(
    opensearch: str,
    prefix: str,
    generation: Generation,
    make_batch: BatchMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bulk, "FIRST_WAIT", 0.001)
    full = {"type": "rejected_execution_exception", "reason": "queue is full"}

    def overload(request: Request) -> Answer | None:
        return (429, {"error": full, "status": 429}) if "_bulk" in request.path else None

    with proxy(opensearch, overload) as url:
        documents = OpenSearchDocuments(connect(Options((url,))), prefix, "g1", generation.reader)
        with pytest.raises(UnavailableError, match="is overloaded: queue is full; try again"):
            Generation(generation.reader, documents).publish(make_batch(1, [chip("a")]))


def test_requests_that_are_too_large_are_named_with_the_setting(
    opensearch: str, prefix: str, generation: Generation, make_batch: BatchMaker
) -> None:
    def limit(request: Request) -> Answer | None:
        return (413, {}) if "_bulk" in request.path else None

    with proxy(opensearch, limit) as url:
        documents = OpenSearchDocuments(connect(Options((url,))), prefix, "g1", generation.reader)
        with pytest.raises(StoreError, match=r"too large; raise http\.max_content_length"):
            Generation(generation.reader, documents).publish(make_batch(1, [chip("a")]))


def _point(longitude: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [longitude, 10.0]}
