"""What extents of every engine must be; `DocumentsContract` inherits this."""

from __future__ import annotations

from typing import Any

from scenestore.entry import Entry, Identity, Metadata
from scenestore.extent import Extent
from scenestore.filters import ANY, Box, Filter
from scenestore.generation import Generation
from tests.scenestore.builders import BatchMaker

LINE = {"type": "LineString", "coordinates": [[8.25, 47.0], [9.0, 47.5]]}
SOUTH = {"type": "Point", "coordinates": [-70.123457, -33.45]}
CROSSING = {"type": "LineString", "coordinates": [[177.0, -19.0], [-178.0, -16.0]]}


class ExtentContract:
    """Inherit it with `DocumentsContract`, whose fixtures it asks for."""

    def test_an_extent_holds_all_that_is_known(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        documents = generation.documents
        assert documents.extents("chip", ANY) == {}
        entries = [
            _entry("a", "line", footprint=LINE, datetime="2024-05-01T00:00:00.5Z"),
            _entry("a", "south", footprint=SOUTH, datetime="1969-12-31T23:59:59+00:00"),
            _entry("a", "bare"),
            _entry("b", "bare"),
            _entry("c", "crossing", footprint=CROSSING),
        ]
        generation.publish(make_batch(1, entries))
        documents.refresh()
        may = 1_714_521_600_500
        known = {
            "a": Extent(Box(-70.123457, -33.45, 9.0, 47.5), -1_000, may),
            "b": Extent(),
            # Where it crosses longitude 180 only the latitudes say something.
            "c": Extent(Box(-180.0, -19.0, 180.0, -16.0)),
        }
        assert documents.extents("chip", ANY) == known
        assert list(documents.extents("chip", ANY)) == ["a", "b", "c"]
        some = documents.extents("chip", Filter(collections=("c", "nowhere", "b")))
        assert some == {"b": known["b"], "c": known["c"]}
        north = documents.extents("chip", Filter(bbox=Box(0, 0, 10, 50)))
        assert north == {"a": Extent(Box(8.25, 47.0, 9.0, 47.5), may, may)}
        assert documents.extents("caption", ANY) == {}

    def test_extents_of_many_collections_come_at_once(
        self, generation: Generation, make_batch: BatchMaker
    ) -> None:
        names = [f"c{number:03d}" for number in range(300)]
        entries = [
            _entry(name, f"{scene}", datetime=f"20{scene:02d}-01-01T00:00:00Z")
            for name in names
            for scene in range(2)
        ]
        generation.publish(make_batch(1, entries))
        generation.documents.refresh()
        found = generation.documents.extents("chip", Filter(collections=tuple(names)))
        assert list(found) == names
        assert set(found.values()) == {Extent(None, 946_684_800_000, 978_307_200_000)}


def _entry(collection: str, scene: str, **known: Any) -> Entry:
    return Entry(Identity("chip", collection, scene), f"{scene}.jpg", metadata=Metadata(**known))
