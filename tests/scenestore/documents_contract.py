"""What every engine's documents must do; an engine's test class inherits this.

Everything is written as the product writes it, through a Generation: folder, documents, log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from numpy.typing import NDArray

from scenestore import cql
from scenestore.batch import Batch, BatchContent
from scenestore.compaction import FAN_IN, compact
from scenestore.entry import KINDS, Entry, Identity, Kind, Metadata, SceneOutcome
from scenestore.errors import StoreError
from scenestore.filters import ANY, Box, Filter
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.ports import Documents, Ledger
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from tests.scenestore import cql_filtering, filtering
from tests.scenestore.builders import BatchMaker, caption, chip, indexed
from tests.scenestore.extent_contract import ExtentContract
from tests.scenestore.listing_contract import ListingContract
from tests.vectors import clustered

OpenDocuments = Callable[[SegmentReader], Documents]
Code = tuple[NDArray[np.uint32], NDArray[np.float32]]

SQUARE = {"type": "Polygon", "coordinates": [[[8, 47], [8.5, 47], [8.5, 47.5], [8, 47.5], [8, 47]]]}
ENTRIES = {
    "bare chip": chip("bare"),
    "window": chip("windowed", 3),
    "caption": caption("captioned", "two parallel runways beside water"),
    "long caption": caption("long", "water " * 10_000),
    "all metadata": Entry(
        Identity("chip", "c", "all"),
        "2019/all.tif",
        top_terms=("runway-00001", "river-00002"),
        thumbnail=7,
        metadata=Metadata(
            datetime="2019-07-04T10:20:30.123456Z",
            cloud_cover=12.5,
            gsd=0.3,
            platform="sentinel-2a",
            footprint=SQUARE,
            properties={
                "eo:bands": "B04 B03", "orbit": 51, "sun.angle": 33.25, "nadir": True,
                "seen": "2020-01-02", "week": "2020-W01-1", "scale": 1e300, "": "unnamed",
            },
        ),
    ),
    "not ASCII": Entry(
        Identity("caption", "Zürich", "航拍/été 🛰.tif", 2),
        "航拍/été 🛰.tif",
        caption='飛機場 — piste “été” 🛫\n\t"\\',
        metadata=Metadata(platform="Плеяды", properties={"ключ": "значение 🛰"}),
    ),
    "zeroes": chip("zero", cloud_cover=0.0, gsd=0.0, platform="", properties={"n": 0, "b": False}),
    "long property": chip("verbose", properties={"history": "x" * 40_000, "short": "y"}),
    "over the date line": chip(
        "fiji",
        footprint={
            "type": "MultiPolygon",
            "coordinates": [
                [[[179, -18], [180, -18], [180, -17], [179, -17], [179, -18]]],
                [[[-180, -18], [-179, -18], [-179, -17], [-180, -17], [-180, -18]]],
            ],
        },
    ),
    "height": chip("height", footprint={"type": "Point", "coordinates": [8.5, 47, 400.0]}),
    "not a proper polygon": chip(
        "bow",
        footprint={
            "type": "Polygon",
            "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]],
        },
    ),
    "not a proper date": chip("undated", datetime="2019-02-30T00:00:00Z"),
    "in one ring over the date line": chip(
        "chukotka",
        footprint={
            "type": "Polygon",
            "coordinates": [[[178.1, 66], [-177.3, 66.2], [-177, 68], [178, 67.9], [178.1, 66]]],
        },
    ),
    "no GeoJSON": chip("elsewhere", footprint={"type": "Polygon", "coordinates": [[["x", "y"]]]}),
}  # fmt: skip


class DocumentsContract(ListingContract, ExtentContract):
    """Inherit it and give the fixtures `ledger`, `open_documents` and `age`.

    Each call of `open_documents` connects anew to the same place, as another process would.
    """

    @pytest.fixture
    def ledger(self) -> Ledger:
        raise NotImplementedError

    @pytest.fixture
    def open_documents(self) -> OpenDocuments:
        raise NotImplementedError

    @pytest.fixture
    def age(self) -> Callable[[], None]:
        """Makes the documents look as an older version of the program left them."""
        raise NotImplementedError

    @pytest.fixture
    def reader(self, ledger: Ledger, bundle: Bundle, tmp_path: Path) -> SegmentReader:
        return SegmentReader(bundle, Log(ledger, "g1"), LocalStore(tmp_path / "g1"))

    @pytest.fixture
    def documents(self, reader: SegmentReader, open_documents: OpenDocuments) -> Documents:
        return open_documents(reader)

    @pytest.fixture
    def generation(self, reader: SegmentReader, documents: Documents) -> Generation:
        generation = Generation(reader, documents)
        generation.create()
        return generation

    # --- entries

    def test_an_entry_comes_back_as_it_was(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        batch = published(generation, make_batch(1, list(ENTRIES.values())))
        keys = {
            entry.identity: key
            for kind in batch.rows
            for key, entry in zip(batch.keys(kind).tolist(), batch.entries(kind), strict=True)
        }
        for name, entry in ENTRIES.items():
            key = keys[entry.identity]
            found = generation.documents.lookup(entry.identity.id)
            assert found is not None, name
            assert (found.key, found.entry) == (key, entry), name
            fetched = generation.documents.fetch(entry.identity.kind, [key], ANY)
            assert fetched == {key: entry}, name

    def test_types_of_properties_are_kept(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        properties = {"int": 1, "float": 1.0, "bool": True, "text": "1"}
        entry = chip("typed", properties=properties)
        published(generation, make_batch(1, [entry]))
        found = generation.documents.lookup(entry.identity.id)
        assert found is not None
        kept = found.entry.metadata.properties
        assert {name: type(value) for name, value in kept.items()} == {
            "int": int, "float": float, "bool": bool, "text": str,
        }  # fmt: skip

    def test_fetch_gives_what_is_there_of_its_kind(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        batch = published(generation, make_batch(1, [chip("a"), chip("b"), caption("a", "text")]))
        keys = batch.keys("chip").tolist()
        caption_key = int(batch.keys("caption")[0])
        found = generation.documents.fetch("chip", [*keys, caption_key, 99 << 20], ANY)
        assert sorted(found) == keys
        assert generation.documents.fetch("chip", [], ANY) == {}

    def test_lookup_sees_a_write_at_once(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entry = chip("a")
        generation.publish(make_batch(1, [entry]))
        assert generation.documents.lookup(entry.identity.id) is not None
        assert generation.documents.lookup(chip("b").identity.id) is None

    def test_entries_are_looked_up_at_once_by_ids_and_kinds(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        chips, said = [chip("a"), chip("b", 1), chip("gone")], caption("a", "text")
        batch = generation.publish(make_batch(1, [*chips, said]))
        generation.publish(make_batch(2, tombstones=[chips[2].identity]))
        ids = [entry.identity.id for entry in (*chips, said, chip("missing"))]
        documents = generation.documents
        found = documents.lookup_all(ids)
        assert {id: one.entry for id, one in found.items()} == {
            entry.identity.id: entry for entry in (*chips[:2], said)
        }
        assert sorted(one.key for one in found.values() if one.entry != said) == sorted(
            int(key)
            for key, entry in zip(batch.keys("chip"), batch.entries("chip"), strict=True)
            if entry in chips[:2]
        )
        assert list(documents.lookup_all(ids, ["caption"])) == [said.identity.id]
        assert documents.lookup_all([]) == {}
        assert len(documents.lookup_all([*ids, *map(str, range(1_500))])) == 3

    # --- the guide

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_guide_is_what_brute_force_finds(
        self, kind: Kind, generation: Generation, make_batch: BatchMaker
    ) -> None:
        batches = [
            published(generation, make_batch(n, _many(f"s{n}", 60, kind))) for n in range(1, 4)
        ]
        for code, size in product(_queries(generation.bundle, kind), (1, 25, 1000)):
            guide = generation.documents.guide(kind, *code, size, ANY)
            keys, scores = brute_force(batches, kind, code)
            assert guide.keys.tolist() == keys[:size].tolist()
            np.testing.assert_array_max_ulp(guide.scores, scores[:size], maxulp=1)
            dtypes = guide.keys.dtype.name, guide.scores.dtype.name
            assert dtypes == ("int64", "float32")
            assert guide.matches is None

    def test_equal_scores_come_in_order_of_keys(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entries = [chip(f"s{i}") for i in range(30)]
        same = {entry.identity: clustered(1, 5)[0] for entry in entries}
        first = published(generation, make_batch(2, entries[:15], vectors=same))
        second = published(generation, make_batch(1, entries[15:], vectors=same))
        keys = np.concatenate([second.keys("chip"), first.keys("chip")]).tolist()
        code = _code(generation.bundle, "chip", clustered(1, 5))
        guide = generation.documents.guide("chip", *code, 20, ANY)
        assert len(set(guide.scores.tolist())) == 1
        assert guide.keys.tolist() == keys[:20]

    def test_the_guide_keeps_to_the_filter_and_counts_its_matches(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entries = [chip(f"s{i}", collection=c) for c in ("c1", "c2") for i in range(40)]
        batch = published(generation, make_batch(1, entries))
        stored = list(zip(batch.keys("chip").tolist(), batch.entries("chip"), strict=True))
        for where in (
            Filter(collections=("c1",)),
            Filter(scenes=(("c1", "s3"), ("c2", "s7"))),
            Filter(collections=("c2",), without_scenes=(("c2", "s1"),)),
            Filter(without_scenes=(("c1", "s1"), ("c2", "s2"))),
            Filter(collections=("c3",)),
        ):
            passing = [key for key, entry in stored if _passes(entry, where)]
            for code in _queries(generation.bundle, "chip"):
                guide = generation.documents.guide("chip", *code, 30, where)
                keys, _ = brute_force([batch], "chip", code)
                assert guide.keys.tolist() == [key for key in keys.tolist() if key in passing][:30]
                assert guide.matches == (len(passing) if where.narrows else None)

    def test_a_guide_of_no_or_unknown_terms_is_empty(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        batch = published(generation, make_batch(1, [chip("a")]))
        held = set(batch.codes("chip").terms.tolist())
        unknown = next(term for term in range(64) if term not in held)
        for terms in ([], [unknown]):
            weights = np.ones(len(terms), np.float32)
            code = np.array(terms, np.uint32), weights
            assert not len(generation.documents.guide("chip", *code, 10, ANY).keys)
            narrow = generation.documents.guide("chip", *code, 10, Filter(collections=("c",)))
            assert (len(narrow.keys), narrow.matches) == (0, 1)

    def test_filters_keep_what_they_say(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        """Both engines against one oracle, on entries and filters full of edges and touches."""
        entries = [*filtering.entries(), *(entry for entry in ENTRIES.values())]
        batch = published(generation, make_batch(1, entries))
        documents = generation.documents
        stored = zip(batch.keys("chip").tolist(), batch.entries("chip"), strict=True)
        known = {key: filtering.Facts(entry) for key, entry in stored}
        terms = np.arange(64, dtype=np.uint32)
        everything = documents.guide("chip", terms, np.ones(64, np.float32), 1000, ANY)

        @settings(max_examples=150, deadline=None, derandomize=True, database=None)
        @given(where=filtering.filters())
        @example(where=Filter(bbox=Box(-180, -90, 180, 90)))
        @example(where=Filter(bbox=Box(180, -90, -180, 90)))
        @example(where=Filter(bbox=Box(178.5, 66, -177.5, 67)))
        @example(where=Filter(bbox=Box(-177.9, 66.5, -177.8, 66.6)))
        @example(where=Filter(bbox=Box(-90, 90, 90, 90)))
        def check(where: Filter) -> None:
            passing = [key for key, facts in known.items() if facts.meet(where)]
            assert documents.keys("chip", where, 1000).tolist() == passing
            assert documents.count("chip", where) == len(passing)
            assert sorted(documents.fetch("chip", list(known), where)) == passing
            guide = documents.guide("chip", terms, np.ones(64, np.float32), 20, where)
            expected = everything.keys[np.isin(everything.keys, passing)][:20]
            assert guide.keys.tolist() == expected.tolist()
            assert guide.matches == (len(passing) if where.narrows else None)

        check()

    def test_matches_are_counted_by_cell(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entries = [chip(f"s{i}", collection=f"c{i % 3}") for i in range(30)]
        batch = published(generation, make_batch(1, entries))
        gone = entries[0].identity
        published(generation, make_batch(2, tombstones=[gone]))
        cells = dict(zip(batch.keys("chip").tolist(), batch.cells("chip").tolist(), strict=True))
        own = (("c0", "s3"), ("c1", "s4"))
        for where in (
            ANY,
            Filter(collections=("c0",)),
            Filter(collections=("c0",), without_scenes=own),
            Filter(collections=("c9",)),
        ):
            keys = generation.documents.keys("chip", where, 100).tolist()
            counted = generation.documents.counts_by_cell("chip", where)
            assert len(counted) == len(generation.bundle.space("chip").cells)
            held = Counter(cells[key] for key in keys)
            assert {i: int(n) for i, n in enumerate(counted) if n} == held

    def test_a_place_holds_for_each_kind_on_its_own(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        here = {"type": "Point", "coordinates": [8.5, 47.25]}
        slanted = {"type": "Polygon", "coordinates": [[[8, 47], [9, 47], [9, 48], [8, 47]]]}
        entries = [chip("a", footprint=here), chip("b", footprint=slanted)]
        entries += [caption("a", "text", footprint=here), caption("c", "text")]
        published(generation, make_batch(1, entries))
        box = Box(8.4, 47.2, 8.6, 47.3)
        for collections, counts in (((), [2, 1]), (("c", "d"), [2, 1]), (("d",), [0, 0])):
            where = Filter(bbox=box, collections=collections)
            assert [generation.documents.count(kind, where) for kind in KINDS] == counts

    def test_cql2_keeps_what_it_says(self, generation: Generation, make_batch: BatchMaker) -> None:
        """Both engines against one oracle of three values, on filters of every operator."""
        batch = published(generation, make_batch(1, cql_filtering.entries()))
        documents = generation.documents
        stored = list(zip(batch.keys("chip").tolist(), batch.entries("chip"), strict=True))

        @settings(max_examples=250, deadline=None, derandomize=True, database=None)
        @given(node=cql_filtering.filters())
        def check(node: Any) -> None:
            for asked in (node, {"op": "not", "args": [node]}):
                passing = [k for k, entry in stored if cql_filtering.verdict(asked, entry) is True]
                where = Filter(expressions=(cql.read(asked),))
                assert documents.keys("chip", where, 1000).tolist() == passing

        check()

    def test_a_filter_follows_updates_and_deletes(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        here = {"type": "Point", "coordinates": [8.5, 47.25]}
        there = {"type": "Point", "coordinates": [100.5, 10.25]}
        was = chip("a", datetime="2020-01-01T00:00:00Z", footprint=here, properties={"n": 1}, gsd=1)
        now = chip(
            "a", datetime="2021-01-01T00:00:00Z", footprint=there, properties={"n": 2}, gsd=2
        )
        other = chip(
            "b", datetime="2020-01-01T00:00:00Z", footprint=here, properties={"n": 1}, gsd=1
        )
        old = [
            Filter(until=datetime(2020, 6, 1)),
            Filter(bbox=Box(8, 47, 9, 48)),
            Filter(properties=(("n", (1,)),)),
            Filter(expressions=(cql.read("n < 2"),)),
            Filter(expressions=(cql.read("gsd < 2 AND S_INTERSECTS(geometry, POINT(8.5 47.25))"),)),
        ]
        new = [
            Filter(since=datetime(2020, 6, 1)),
            Filter(bbox=Box(100, 10, 101, 11)),
            Filter(properties=(("n", (2,)),)),
            Filter(expressions=(cql.read("n > 1"),)),
            Filter(expressions=(cql.read("NOT gsd < 2"),)),
        ]
        published(generation, make_batch(1, [was, other]))
        documents = generation.documents
        assert [documents.count("chip", where) for where in (*old, *new)] == [2] * 5 + [0] * 5
        published(generation, make_batch(2, [now]))
        assert [documents.count("chip", where) for where in (*old, *new)] == [1] * 10
        published(generation, make_batch(3, tombstones=[now.identity]))
        assert [documents.count("chip", where) for where in (*old, *new)] == [1] * 5 + [0] * 5

    # --- counting and listing

    def test_count_and_keys_keep_to_kind_and_filter(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entries = [chip(f"s{i}", collection=c) for c in ("c1", "c2") for i in range(10)]
        batch = published(generation, make_batch(1, [*entries, caption("s1", "text")]))
        documents = generation.documents
        assert (documents.count("chip", ANY), documents.count("caption", ANY)) == (20, 1)
        assert documents.count("chip", Filter(collections=("c1",))) == 10
        assert documents.keys("chip", ANY, 100).tolist() == batch.keys("chip").tolist()
        assert documents.keys("chip", ANY, 7).tolist() == batch.keys("chip").tolist()[:7]
        assert documents.keys("chip", ANY, 0).tolist() == []
        one = documents.keys("chip", Filter(scenes=(("c2", "s4"),)), 100)
        (entry,) = documents.fetch("chip", one.tolist(), ANY).values()
        assert (entry.identity.collection, entry.identity.scene) == ("c2", "s4")
        assert documents.keys("chip", ANY, 100).dtype == np.int64

    def test_alive_are_the_keys_that_live_entries_carry(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        gone, updated, kept = chip("a"), chip("b"), chip("c")
        first = published(generation, make_batch(1, [gone, updated, kept, caption("c", "text")]))
        second = published(generation, make_batch(2, [updated], tombstones=[gone.identity]))
        keys = np.concatenate([first.keys("chip"), second.keys("chip"), first.keys("caption")])
        alive = generation.documents.alive("chip", keys)
        live = [key for key, _ in generation.documents.live("chip")]
        assert sorted(keys[alive].tolist()) == live
        assert len(live) == 2
        assert generation.documents.alive("chip", keys[::-1]).tolist() == alive[::-1].tolist()
        assert generation.documents.alive("chip", keys[:0]).tolist() == []
        assert generation.documents.alive("caption", first.keys("caption")).tolist() == [True]

    def test_live_lists_every_entry_in_order_of_keys(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        later = published(generation, make_batch(2, _many("b", 20, "chip")))
        earlier = published(generation, make_batch(1, _many("a", 20, "chip")))
        expected = [
            (int(key), entry.identity.id)
            for batch in (earlier, later)
            for key, entry in zip(batch.keys("chip"), batch.entries("chip"), strict=True)
        ]
        assert list(generation.documents.live("chip")) == expected
        assert list(generation.documents.live("caption")) == []

    def test_identities_of_scenes_are_found_at_once(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entries = [chip("a", 0), chip("a", 1), caption("a", "text"), chip("b"), chip("a", 0, "d")]
        generation.publish(make_batch(1, entries))
        found = generation.documents.identities([("c", "a"), ("d", "a"), ("c", "missing")])
        assert {pair: set(identities) for pair, identities in found.items()} == {
            ("c", "a"): {entry.identity for entry in entries[:3]},
            ("d", "a"): {entries[4].identity},
        }
        assert generation.documents.identities([]) == {}

    # --- one truth: which write wins

    def test_an_update_replaces_the_entry(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        old, new = chip("a", platform="old", cloud_cover=1.0), chip("a", platform="new")
        first = published(generation, make_batch(1, [old, chip("b")]))
        second = published(generation, make_batch(2, [new]))
        key = int(second.keys("chip")[0])
        assert generation.documents.count("chip", ANY) == 2
        found = generation.documents.lookup(new.identity.id)
        assert found is not None
        assert (found.key, found.entry) == (key, new)
        replaced = first.entries("chip").index(old)
        dead = int(first.keys("chip")[replaced])
        assert generation.documents.fetch("chip", [dead, key], ANY) == {key: new}
        for code in _queries(generation.bundle, "chip"):
            assert dead not in generation.documents.guide("chip", *code, 10, ANY).keys
        terms = np.arange(64, dtype=np.uint32)
        guide = generation.documents.guide("chip", terms, np.ones(64, np.float32), 10, ANY)
        assert len(guide.keys) == 2

    def test_an_older_batch_that_comes_late_changes_nothing(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        newer = published(generation, make_batch(5, [chip("a", platform="new")]))
        published(generation, make_batch(4, [chip("a", platform="old"), chip("b")]))
        found = generation.documents.lookup(chip("a").identity.id)
        assert found is not None
        assert found.key == newer.keys("chip")[0]
        assert found.entry.metadata.platform == "new"
        assert generation.documents.count("chip", ANY) == 2

    def test_a_repeated_write_changes_nothing(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        content = make_batch(
            1, _many("s", 10, "chip"), outcomes=[indexed("s1")], tombstones=[chip("z").identity]
        )
        batch = published(generation, content)
        before = _everything(generation.documents)
        generation.documents.write(batch)
        generation.documents.refresh()
        assert _everything(generation.documents) == before

    def test_a_deleted_entry_is_met_nowhere(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        gone, kept, said = chip("a"), chip("b"), caption("a", "text")
        batch = published(generation, make_batch(1, [gone, kept, said]))
        published(generation, make_batch(2, tombstones=[gone.identity, said.identity]))
        documents = generation.documents
        assert documents.lookup(gone.identity.id) is None
        assert documents.lookup(said.identity.id) is None
        assert (documents.count("chip", ANY), documents.count("caption", ANY)) == (1, 0)
        assert documents.count("chip", Filter(collections=("c",))) == 1
        assert [id for _, id in documents.live("chip")] == [kept.identity.id]
        assert len(documents.keys("chip", ANY, 10)) == 1
        found = documents.fetch("chip", batch.keys("chip").tolist(), ANY)
        assert list(found.values()) == [kept]
        assert documents.identities([("c", "a"), ("c", "b")]) == {("c", "b"): [kept.identity]}
        terms = np.arange(64, dtype=np.uint32)
        guide = documents.guide("chip", terms, np.ones(64, np.float32), 10, ANY)
        assert guide.keys.tolist() == list(found)

    def test_a_delete_holds_against_an_older_batch_and_yields_to_a_newer(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entry = chip("a")
        published(generation, make_batch(3, tombstones=[entry.identity]))
        published(generation, make_batch(2, [entry]))
        assert generation.documents.lookup(entry.identity.id) is None
        assert generation.documents.count("chip", ANY) == 0
        published(generation, make_batch(4, [entry]))
        assert generation.documents.lookup(entry.identity.id) is not None
        assert generation.documents.count("chip", ANY) == 1

    def test_compaction_keeps_what_was_written_a_moment_ago(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        for ordinal in range(1, FAN_IN + 1):
            generation.publish(make_batch(ordinal, [chip(f"s{ordinal}")]))
        generation.publish(make_batch(FAN_IN + 1, tombstones=[chip("s1").identity]))
        assert compact(generation)
        assert len(generation.reader.segments("chip")) == FAN_IN - 1
        keys = generation.documents.keys("chip", ANY, 100)
        assert not np.isnan(generation.reader.segments("chip").vectors(keys)).any()

    # --- outcomes

    def test_the_last_outcome_of_each_scene_is_listed_in_order(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        skipped = SceneOutcome("d", "x", "skipped", reason="no image: 航拍")
        failed = SceneOutcome("c", "Éa", "failed", reason="truncated")
        first = [indexed("b"), indexed("a"), skipped, failed, indexed("z")]
        generation.publish(make_batch(2, outcomes=first))
        now = SceneOutcome("c", "b", "failed", reason="unreadable")
        deleted = SceneOutcome("c", "z", "deleted")
        generation.publish(make_batch(3, outcomes=[now, deleted]))
        late = SceneOutcome("c", "a", "failed", reason="older")
        generation.publish(make_batch(1, outcomes=[late]))
        documents = generation.documents
        assert list(documents.outcomes(None)) == [indexed("a"), now, failed, skipped]
        assert list(documents.outcomes("d")) == [skipped]
        assert documents.outcome_counts() == {"indexed": 1, "skipped": 1, "failed": 2}

    def test_outcomes_are_found_at_once_by_scene_deleted_ones_too(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        deleted = SceneOutcome("d", "x", "deleted")
        generation.publish(make_batch(1, outcomes=[indexed("a"), indexed("b"), deleted]))
        found = generation.documents.outcomes_of([("c", "a"), ("d", "x"), ("c", "x"), ("d", "a")])
        assert found == {("c", "a"): indexed("a"), ("d", "x"): deleted}
        assert generation.documents.outcomes_of([]) == {}

    def test_a_write_tells_of_which_scenes_a_newer_one_decided(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        skipped = SceneOutcome("c", "b", "skipped", reason="deleted on request")
        generation.publish(make_batch(5, outcomes=[skipped]))
        late = generation.seal(
            make_batch(4, [chip("a"), chip("b")], outcomes=[indexed("a"), indexed("b")])
        )
        assert generation.documents.write(late) == [indexed("b")]
        assert generation.documents.write(late) == [indexed("b")]
        newest = generation.seal(make_batch(6, outcomes=[indexed("b")]))
        assert generation.documents.write(newest) == []

    def test_entries_of_a_scene_that_was_deleted_meanwhile_do_not_stay(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        skipped = SceneOutcome("c", "b", "skipped", reason="deleted on request")
        late = make_batch(
            generation.log.claim(),
            [chip("a"), chip("b"), caption("b", "text")],
            outcomes=[indexed("a"), indexed("b")],
        )
        generation.publish(make_batch(generation.log.claim(), outcomes=[skipped]))
        generation.publish(late)
        generation.documents.refresh()
        assert [id for _, id in generation.documents.live("chip")] == [chip("a").identity.id]
        assert generation.documents.count("caption", ANY) == 0
        assert generation.documents.outcome_counts() == {"indexed": 1, "skipped": 1, "failed": 0}
        assert len(list(generation.log.batches())) == 3

    # --- life of a projection

    def test_an_empty_archive_answers_everything_with_nothing(self, generation: Generation) -> None:
        documents = generation.documents
        terms, weights = np.array([1, 2], np.uint32), np.ones(2, np.float32)
        assert not len(documents.guide("chip", terms, weights, 10, ANY).keys)
        assert documents.count("chip", ANY) == 0
        assert not len(documents.keys("chip", ANY, 10))
        assert documents.fetch("chip", [1], ANY) == {}
        assert documents.lookup("nothing") is None
        assert list(documents.live("caption")) == []
        assert documents.identities([("c", "a")]) == {}
        assert list(documents.outcomes(None)) == []
        assert documents.outcome_counts() == {"indexed": 0, "skipped": 0, "failed": 0}

    def test_creating_twice_keeps_what_is_there(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        published(generation, make_batch(1, [chip("a")]))
        generation.create()
        assert generation.documents.count("chip", ANY) == 1

    def test_a_rebuild_is_unseen_until_it_is_swapped_in(
        self,
        generation: Generation,
        make_batch: BatchMaker,
        open_documents: OpenDocuments,
        reader: SegmentReader,
    ) -> None:
        batch = published(generation, make_batch(1, [chip("a"), caption("a", "text")]))
        published(generation, make_batch(2, [chip("lost")], outcomes=[indexed("lost")]))
        before = _everything(generation.documents)
        rebuilding = open_documents(reader)
        rebuilding.reset()
        rebuilding.write(batch)
        assert _everything(generation.documents) == before
        rebuilding.swap()
        assert generation.documents.count("chip", ANY) == 1
        assert list(generation.documents.outcomes(None)) == []
        found = generation.documents.lookup(chip("a").identity.id)
        assert found is not None
        assert found.key == batch.keys("chip")[0]
        published(generation, make_batch(3, [chip("b")]))
        assert generation.documents.count("chip", ANY) == 2

    def test_a_rebuild_that_died_leaves_the_old_projection_and_no_trace_in_the_next(
        self,
        generation: Generation,
        make_batch: BatchMaker,
        open_documents: OpenDocuments,
        reader: SegmentReader,
    ) -> None:
        batch = published(generation, make_batch(1, [chip("a")]))
        other = published(generation, make_batch(2, [chip("b")]))
        died = open_documents(reader)
        died.reset()
        died.write(other)
        assert generation.documents.count("chip", ANY) == 2
        rebuilding = open_documents(reader)
        rebuilding.reset()
        rebuilding.write(batch)
        rebuilding.swap()
        assert [id for _, id in generation.documents.live("chip")] == [chip("a").identity.id]

    def test_documents_of_an_older_version_ask_for_a_rebuild_and_are_brought_up_by_it(
        self, generation: Generation, make_batch: BatchMaker, age: Callable[[], None]
    ) -> None:
        batch = published(generation, make_batch(1, [chip("a", cloud_cover=5.0)]))
        age()
        with pytest.raises(StoreError, match="scenesift rebuild"):
            generation.documents.create()
        generation.documents.reset()
        generation.documents.write(batch)
        generation.documents.swap()
        generation.create()
        assert generation.documents.count("chip", Filter(cloud_cover=(0, 10))) == 1

    def test_a_swap_without_a_rebuild_is_refused(self, generation: Generation) -> None:
        with pytest.raises(StoreError):
            generation.documents.swap()

    def test_dropped_documents_are_gone_and_can_be_made_anew(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        published(generation, make_batch(1, [chip("a")], outcomes=[indexed("a")]))
        generation.documents.drop()
        generation.documents.drop()
        generation.documents.create()
        assert generation.documents.count("chip", ANY) == 0
        assert list(generation.documents.outcomes(None)) == []


def published(generation: Generation, content: BatchContent) -> Batch:
    """The batch, written and visible to searches."""
    batch = generation.publish(content)
    generation.documents.refresh()
    return batch


def brute_force(
    batches: Sequence[Batch], kind: Kind, code: Code
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys and scores of every code that shares a term with the query, by (-score, key).

    Products in float32, their sum in double, the score in float32: Lucene's arithmetic.
    """
    query = dict(zip(code[0].tolist(), code[1], strict=True))
    keys, scores = [], []
    for batch in batches:
        for key, (terms, weights) in zip(batch.keys(kind), batch.codes(kind), strict=True):
            shared = [
                (query[t], w) for t, w in zip(terms.tolist(), weights, strict=True) if t in query
            ]
            if shared:
                keys.append(key)
                scores.append(np.float32(sum(float(np.float32(q * w)) for q, w in shared)))
    order = np.lexsort((keys, -np.array(scores)))
    return np.array(keys, np.int64)[order], np.array(scores, np.float32)[order]


def _code(bundle: Bundle, kind: Kind, query: NDArray[np.float32]) -> Code:
    return bundle.space(kind).sparsifier.encode_queries(query, 16).row(0)


def _queries(bundle: Bundle, kind: Kind) -> list[Code]:
    return [_code(bundle, kind, query[None]) for query in clustered(5, 77)]


def _many(prefix: str, count: int, kind: Kind) -> list[Entry]:
    if kind == "chip":
        return [chip(f"{prefix}-{i}") for i in range(count)]
    return [caption(f"{prefix}-{i}", f"sentence {i}") for i in range(count)]


def _passes(entry: Entry, where: Filter) -> bool:
    pair = (entry.identity.collection, entry.identity.scene)
    return (
        (not where.collections or pair[0] in where.collections)
        and (not where.scenes or pair in where.scenes)
        and pair not in where.without_scenes
    )


def _everything(documents: Documents) -> object:
    live = {kind: list(documents.live(kind)) for kind in KINDS}
    entries = {kind: documents.fetch(kind, [key for key, _ in live[kind]], ANY) for kind in KINDS}
    return live, entries, list(documents.outcomes(None)), documents.outcome_counts()
