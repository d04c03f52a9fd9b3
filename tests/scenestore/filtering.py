"""The oracle of filters: entries full of edges, random filters, and what each filter means."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import strategies as st

from scenestore.entry import Entry
from scenestore.filters import Box, Filter, Value
from scenestore.footprint import Footprint, boxed, meeting
from tests.scenestore.builders import chip

STEP = 5.625
"""Degrees that both engines keep exactly, so that what touches is equal on both."""
INSTANTS = [
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00Z",
    "2024-02-29T12:00:00Z",
    "2024-02-29T12:00:00.001Z",
    "2024-02-29T12:00:00.001900Z",
    "2024-02-29T13:00:00.002000+01:00",
    "9999-12-31T23:59:59.999000Z",
    "0001-01-01T00:00:00Z",
]
CLOUDS = [0.0, 12.5, 99.9, 100.0]
VALUES: list[Value] = [51, 51.0, "51", 33.25, -1, 0, True, False, "true", "ascending", "a b: é", ""]
NAMES = ["orbit", "sun.angle", "Größe"]


class Facts:
    """What is known of an entry, as filters compare it."""

    def __init__(self, entry: Entry) -> None:
        known = entry.metadata
        self._who = (entry.identity.collection, entry.identity.scene)
        self._known = known
        self._instant = _milliseconds(known.datetime)
        self._footprint = Footprint.of(known.footprint) if known.footprint else None

    def meet(self, where: Filter) -> bool:
        """Whether the entry passes the filter."""
        return (
            (not where.collections or self._who[0] in where.collections)
            and (not where.scenes or self._who in where.scenes)
            and self._who not in where.without_scenes
            and self._is_within(where.since, where.until)
            and (
                where.cloud_cover is None
                or (
                    self._known.cloud_cover is not None
                    and where.cloud_cover[0] <= self._known.cloud_cover <= where.cloud_cover[1]
                )
            )
            and (where.bbox is None or self._lies_in(where.bbox))
            and all(
                name in self._known.properties
                and any(_equal(self._known.properties[name], value) for value in values)
                for name, values in where.properties
            )
        )

    def _is_within(self, since: datetime | None, until: datetime | None) -> bool:
        if since is None and until is None:
            return True
        if self._instant is None:
            return False
        after = since is None or self._instant >= _floor(since)
        return after and (until is None or self._instant <= _floor(until))

    def _lies_in(self, bbox: Box) -> bool:
        found = self._footprint
        return found is not None and any(meets(found, box) for box in bbox.parts())


def meets(footprint: Footprint, box: Box) -> bool:
    """Whether they have a point in common; the box's west <= east."""
    return bool(meeting(np.array([footprint.shape]), [boxed(box)])[0])


def entries() -> list[Entry]:
    """Some 300 chips in two collections, each fact known of about half of them."""
    chance = random.Random(5)

    def perhaps(value: Any) -> Any:
        return value if chance.random() < 0.6 else None

    return [
        chip(
            f"s{number}",
            collection=chance.choice(["c1", "c2"]),
            datetime=perhaps(chance.choice(INSTANTS)),
            cloud_cover=perhaps(chance.choice(CLOUDS)),
            footprint=perhaps(_footprint(chance)),
            properties={name: chance.choice(VALUES) for name in NAMES if chance.random() < 0.6},
        )
        for number in range(300)
    ]


def filters() -> st.SearchStrategy[Filter]:
    """Filters with one to three conditions, on values that entries have."""
    scenes = st.tuples(st.sampled_from(["c1", "c2"]), st.integers(0, 40).map("s{}".format))
    instants = st.sampled_from(INSTANTS).map(datetime.fromisoformat)
    conditions: list[st.SearchStrategy[Mapping[str, Any]]] = [
        st.fixed_dictionaries({"collections": st.sampled_from([("c1",), ("c1", "c2"), ("c3",)])}),
        st.fixed_dictionaries({"scenes": st.lists(scenes, min_size=1).map(tuple)}),
        st.fixed_dictionaries({"without_scenes": st.lists(scenes).map(tuple)}),
        st.fixed_dictionaries({"since": instants}),
        st.fixed_dictionaries({"until": instants}),
        st.fixed_dictionaries({"since": instants, "until": instants}),
        st.lists(st.sampled_from(CLOUDS), min_size=2, max_size=2)
        .map(sorted)
        .map(lambda pair: {"cloud_cover": tuple(pair)}),
        st.fixed_dictionaries({"bbox": boxes()}),
        st.fixed_dictionaries({"bbox": boxes()}),
        st.fixed_dictionaries(
            {
                "properties": st.lists(
                    st.tuples(
                        st.sampled_from(NAMES),
                        st.lists(st.sampled_from(VALUES), min_size=1, max_size=2).map(tuple),
                    ),
                    min_size=1,
                    max_size=2,
                ).map(tuple)
            }
        ),
    ]
    return st.lists(st.one_of(conditions), min_size=1, max_size=3).map(_joined).filter(bool)


def _joined(conditions: list[Mapping[str, Any]]) -> Filter:
    joined = {name: value for one in conditions for name, value in one.items()}
    if "since" in joined and "until" in joined:
        joined["since"], joined["until"] = sorted((joined["since"], joined["until"]))
    return Filter(**joined)


def boxes() -> st.SearchStrategy[Box]:
    """Boxes on the grid, of any width; some are points or lines, some cross longitude 180."""
    west = st.integers(-32, 32)
    south = st.integers(-16, 16)
    size = st.sampled_from([0, 1, 2, 5, 20])

    def box(west: int, south: int, width: int, height: int) -> Box:
        east = west + width - (64 if west + width > 32 else 0)
        north = min(south + height, 16)
        return Box(west * STEP, south * STEP, east * STEP, north * STEP)

    return st.builds(box, west, south, size, size)


def _footprint(chance: random.Random) -> dict[str, Any]:
    column, row = chance.randint(-32, 30), chance.randint(-16, 14)
    west, south = column * STEP, row * STEP
    east = min(32, column + chance.randint(1, 6)) * STEP
    north = min(16, row + chance.randint(1, 6)) * STEP
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    match chance.choice(["ring", "ring", "hole", "slanted", "crossing", "bow", "point", "line"]):
        case "hole":
            x, y = (east - west) / 4, (north - south) / 4
            west, south, east, north = west + x, south + y, east - x, north - y
            hole = [[west, south], [west, north], [east, north], [east, south], [west, south]]
            return {"type": "Polygon", "coordinates": [ring, hole]}
        case "slanted":
            return {"type": "Polygon", "coordinates": [_star(chance, west + 0.3, south + 0.7)]}
        case "crossing":
            return {"type": "Polygon", "coordinates": [_star(chance, 179.3, south + 0.7)]}
        case "bow":
            bow = [ring[0], ring[2], ring[1], ring[3], ring[0]]
            return {"type": "Polygon", "coordinates": [bow]}
        case "point":
            return {"type": "Point", "coordinates": ring[0]}
        case "line":
            return {"type": "LineString", "coordinates": [ring[0], [west + 31.7, south / 2.1]]}
        case _:
            way = 1 if chance.random() < 0.5 else -1
            return {"type": "Polygon", "coordinates": [ring[::way]]}


def _star(chance: random.Random, x: float, y: float) -> list[list[float]]:
    """A ring around a point, not convex, either way round, wrapped at longitude 180."""
    corners = chance.randint(5, 9)
    ring = []
    for corner in range(corners):
        angle = 2 * math.pi * (corner + 0.7 * chance.random()) / corners
        reach = chance.uniform(1, 15)
        longitude = (x + reach * math.cos(angle) + 180) % 360 - 180
        ring.append([longitude, max(-90.0, min(90.0, y + reach * math.sin(angle)))])
    closed = [*ring, ring[0]]
    return closed if chance.random() < 0.5 else closed[::-1]


def _milliseconds(text: str | None) -> int | None:
    try:
        return None if text is None else _floor(datetime.fromisoformat(text))
    except ValueError:
        return None


def _floor(when: datetime) -> int:
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _equal(held: Value, wanted: Value) -> bool:
    if isinstance(held, bool | str) or isinstance(wanted, bool | str):
        return _text(held) is not None and _text(held) == _text(wanted)
    return float(held) == float(wanted)


def _text(value: Value) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else None
