"""What listings and counts of every engine must do; `DocumentsContract` inherits this."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenestore import aggregation
from scenestore.aggregation import Counts, Group, Grouping
from scenestore.batch import Batch, BatchContent
from scenestore.entry import Entry, Identity
from scenestore.errors import FilterError
from scenestore.filters import ANY, Box, Filter
from scenestore.generation import Generation
from scenestore.listing import Listed, Position, Unit, orders
from scenestore.ports import Documents
from tests.scenestore import filtering, listing_oracle
from tests.scenestore.builders import BatchMaker, caption, chip

ZURICH = {"type": "Point", "coordinates": [8.54, 47.37]}
UNITS: list[Unit] = ["entry", "scene"]


class ListingContract:
    """Inherit it with `DocumentsContract`, whose fixtures it asks for."""

    def test_pages_go_through_all_that_pass_in_order(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        """Both engines against one oracle: the entries, their order, and where each stands."""
        stored = _stored(_published(generation, make_batch(1, listing_oracle.entries())))
        documents = generation.documents

        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        @given(
            where=st.one_of(st.just(ANY), filtering.filters()),
            order=listing_oracle.orders(),
            size=st.sampled_from([500, 150, 60, 20]),
            unit=st.sampled_from(UNITS),
        )
        def check(where: Filter, order: tuple, size: int, unit: Unit) -> None:  # type: ignore[type-arg]
            assert documents.count("chip", where, unit) == len(
                listing_oracle.selected(stored, where, unit)
            )
            if unit == "entry":
                order = tuple(o for o in order if (o.subject.type, o.subject.is_property) != TEXT)
            expected = listing_oracle.listed(stored, where, order, unit)
            found: list[Listed] = []
            while len(found) % size == 0:
                after = found[-1].position if found else None
                page = documents.listing("chip", where, order, size, after, unit)
                assert len(page) <= size
                if not page:
                    break
                found += page
            assert [(one.key, one.position) for one in found] == expected
            assert all(one.entry == stored[one.key] for one in found)

        check()

    def test_a_page_begins_after_any_place_even_one_that_is_written_as_json(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        known: list[dict[str, Any]] = [
            {"datetime": "1969-12-31T23:59:59.998Z", "properties": {"n": 2, "t": "b"}},
            {"datetime": "1969-12-31T23:59:59.999Z", "properties": {"n": 1e300, "t": "true"}},
            {"datetime": "9999-12-31T23:59:59.999Z", "properties": {"n": True, "t": False}},
            {"datetime": "0001-01-01T00:00:00Z", "properties": {"n": "x", "t": 1}},
            {"properties": {}},
            {"properties": {"n": -0.5}},
        ]
        entries = [chip(f"s{number}", **facts) for number, facts in enumerate(known)]
        _published(generation, make_batch(1, entries))
        for names in (["datetime"], ["-datetime"], ["n"], ["-n"], ["t"], ["-t"], []):
            order = orders(names)
            listing = generation.documents.listing("chip", ANY, order, 10, None, "scene")
            assert len(listing) == 6
            for place, one in enumerate(listing):
                after = tuple(json.loads(json.dumps(one.position)))
                rest = generation.documents.listing("chip", ANY, order, 10, after, "scene")
                assert rest == listing[place + 1 :]

    def test_numbers_come_before_texts_and_what_is_missing_comes_last(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        values = {"a": 10, "b": 9.5, "c": "9", "d": "B", "e": "b", "f": True}
        entries = [chip(scene, properties={"n": value}) for scene, value in values.items()]
        _published(generation, make_batch(1, [chip("0"), *entries]))
        assert _scenes(generation.documents, "n") == ["b", "a", "c", "d", "e", "f", "0"]
        assert _scenes(generation.documents, "-n") == ["a", "b", "f", "e", "d", "c", "0"]
        assert _scenes(generation.documents, "unheard of") == ["0", *values]

    def test_a_scene_is_listed_once_whatever_parts_it_has(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        entries = [chip("a", n) for n in (3, 1, 2)]
        entries += [chip("b"), caption("a", "one", 1), caption("a", "two", 0)]
        _published(generation, make_batch(1, entries))
        listing = generation.documents.listing("chip", ANY, (), 10, None, "scene")
        assert [one.entry.identity for one in listing] == [
            Identity("chip", "c", "a", (64, 0, 64, 64)),
            Identity("chip", "c", "b"),
        ]
        (only,) = generation.documents.listing("caption", ANY, (), 10, None, "scene")
        assert only.entry.caption == "two"
        counts = [generation.documents.count("chip", ANY, unit) for unit in UNITS]
        assert counts == [4, 2]

    def test_listings_and_counts_follow_updates_and_deletes(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        was = [
            chip(scene, part, datetime=f"2020-01-0{day}T00:00:00Z", properties={"n": f"t{day}"})
            for day, scene in enumerate("abc", 1)
            for part in (0, 1)
        ]
        _published(generation, make_batch(1, was))
        documents = generation.documents
        first = documents.listing("chip", ANY, orders(["datetime"]), 1, None, "scene")
        now = [
            replace(entry, metadata=replace(entry.metadata, datetime="2021-05-06T00:00:00Z"))
            for entry in was[3:4]
        ]
        _published(generation, make_batch(2, now, tombstones=[was[2].identity]))
        _published(generation, make_batch(3, tombstones=[entry.identity for entry in was[4:]]))
        assert _scenes(documents, "datetime") == ["a", "b"]
        assert _scenes(documents, "-n") == ["b", "a"]
        rest = documents.listing("chip", ANY, orders(["datetime"]), 9, first[0].position, "scene")
        assert [one.entry.identity for one in rest] == [now[0].identity]
        assert [documents.count("chip", ANY, unit) for unit in UNITS] == [3, 2]
        months = documents.aggregate("chip", ANY, Grouping("month"), "scene")
        assert months.groups == (Group("2020-01", 1), Group("2021-05", 1))

    def test_a_place_that_is_none_of_a_listing_is_refused(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        _published(generation, make_batch(1, [chip("a")]))
        order = orders(["datetime", "platform", "gsd"])
        whole: Position = (5, "p", 1.5, "c", "a", 7)
        bad: list[tuple[object, ...]] = [
            (), whole[1:], (*whole, 1), ("5", *whole[1:]), (1.5, *whole[1:]), (True, *whole[1:]),
            (1 << 63, *whole[1:]), (5, 6, *whole[2:]), (5, "\ud800", *whole[2:]),
            (5, "p", math.nan, *whole[3:]), (5, "p", math.inf, *whole[3:]),
            (5, "p", 1.5, None, "a", 7), (5, "p", 1.5, "c", "a", None), (5, "p", [], "c", "a", 7),
        ]  # fmt: skip
        for after in bad:
            with pytest.raises(FilterError):
                generation.documents.listing("chip", ANY, order, 10, after, "scene")  # type: ignore[arg-type]
        generation.documents.listing("chip", ANY, order, 10, whole, "scene")
        with pytest.raises(FilterError, match="only scenes"):
            generation.documents.listing("chip", ANY, orders(["n"]), 10, None, "entry")

    def test_counts_are_what_counting_by_hand_gives(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        stored = _stored(_published(generation, make_batch(1, listing_oracle.entries())))
        documents = generation.documents

        @settings(max_examples=80, deadline=None, derandomize=True, database=None)
        @given(
            where=st.one_of(st.just(ANY), filtering.filters()),
            grouping=listing_oracle.groupings(),
            unit=st.sampled_from(UNITS),
        )
        def check(where: Filter, grouping: Grouping, unit: Unit) -> None:
            found = documents.aggregate("chip", where, grouping, unit)
            assert found == listing_oracle.counts(stored, where, grouping, unit)

        check()

    def test_a_tile_is_the_one_of_every_web_map(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        _published(generation, make_batch(1, [chip("a", footprint=ZURICH), chip("b")]))
        where = Filter(bbox=Box(8, 47, 9, 48))
        for zoom, tile in ((0, "0/0/0"), (1, "1/1/0"), (7, "7/67/44"), (12, "12/2145/1434")):
            found = generation.documents.aggregate(
                "chip", where, Grouping("tile", 5, zoom), "scene"
            )
            assert found == Counts((Group(tile, 1),), 1, 0, 1, 0)

    def test_more_groups_than_can_be_counted_are_refused(
        self, generation: Generation, make_batch: BatchMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entries = [chip(f"s{day}", datetime=f"2020-01-0{day}T00:00:00Z") for day in range(1, 5)]
        _published(generation, make_batch(1, entries))
        monkeypatch.setattr(aggregation, "MOST_GROUPS", 3)
        with pytest.raises(FilterError, match="more than 3 days"):
            generation.documents.aggregate("chip", ANY, Grouping("day", 2), "scene")
        narrow = Filter(collections=("other",))
        found = generation.documents.aggregate("chip", narrow, Grouping("day", 2), "scene")
        assert found == Counts((), 0, 0, 0, 0)


TEXT = ("text", True)


def _published(generation: Generation, content: BatchContent) -> Batch:
    batch = generation.publish(content)
    generation.documents.refresh()
    return batch


def _stored(batch: Batch) -> dict[int, Entry]:
    return dict(zip(batch.keys("chip").tolist(), batch.entries("chip"), strict=True))


def _scenes(documents: Documents, *names: str) -> list[str]:
    listing = documents.listing("chip", ANY, orders(names), 100, None, "scene")
    return [one.entry.identity.scene for one in listing]
