"""The oracle of listings and counts: scenes full of edges, and what each of them must give."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from typing import Any

from hypothesis import strategies as st

from scenestore.aggregation import Counts, Group, Grouping
from scenestore.entry import Entry, Identity
from scenestore.expression import (
    CLOUD_COVER,
    COLLECTION,
    DATETIME,
    GSD,
    PLATFORM,
    SCENE,
    Subject,
)
from scenestore.filters import Filter
from scenestore.footprint import Footprint
from scenestore.listing import Order, Position, Unit
from tests.scenestore import filtering

_ORBIT, _NAME = (Subject(name, "number", is_property=True) for name in ("orbit", "Größe"))
SUBJECTS = [
    DATETIME, CLOUD_COVER, GSD, PLATFORM, COLLECTION, SCENE, _ORBIT, _NAME,
    _ORBIT._replace(type="text"), _NAME._replace(type="text"),
]  # fmt: skip
PLATFORMS = ["", "a", "B", "sentinel-2a", "Плеяды", "🛰", "\uffff"]
WORDS = ["runway", "river", "été", "🛰", "Wald"]
EDGES = [(0, 0), (45, 0), (180, 90), (-180, -90), (-180, 0), (179.99999999, 66), (8.54, 85.06)]


def entries() -> list[Entry]:
    """Some 400 chips, one to three a scene; a scene's share its metadata."""
    chance = random.Random(11)
    found: list[Entry] = []
    for entry in filtering.entries():
        known = replace(
            entry.metadata,
            gsd=chance.choice([None, 0.3, 10, -0.0, 0.0]),
            platform=chance.choice([None, *PLATFORMS]),
        )
        if chance.random() < 0.2:
            point = {"type": "Point", "coordinates": list(chance.choice(EDGES))}
            known = replace(known, footprint=point)
        who = entry.identity
        parts = [None] if chance.random() < 0.6 else [(9 * n, 0, 8, 8) for n in (2, 0, 1)]
        for part in parts:
            identity = Identity("chip", who.collection, who.scene, part)
            words = tuple(chance.sample(WORDS, chance.randint(0, 3)))
            found.append(Entry(identity, "x.png", top_terms=words, metadata=known))
    return found


def orders() -> st.SearchStrategy[tuple[Order, ...]]:
    """None to three orders."""
    one = st.builds(Order, st.sampled_from(SUBJECTS), st.booleans())
    return st.lists(one, max_size=3, unique_by=lambda order: order.subject).map(tuple)


def groupings() -> st.SearchStrategy[Grouping]:
    """By everything that there is; some leave groups out."""
    by = st.sampled_from(["year", "month", "day", "collection", "term", "tile"])
    return st.builds(Grouping, by, st.sampled_from([1, 3, 1000]), st.integers(0, 12))


def listed(
    stored: Mapping[int, Entry], where: Filter, order: tuple[Order, ...], unit: Unit
) -> list[tuple[int, Position]]:
    """Keys and positions of the whole listing; entries by key."""
    rows = [
        (key, (*(_value(entry, one.subject) for one in order), *_ties(key, entry)))
        for key, entry in selected(stored, where, unit).items()
    ]
    downs = [one.descending for one in order] + [False] * 3

    def compare(left: tuple[int, Any], right: tuple[int, Any]) -> int:
        for a, b, down in zip(left[1], right[1], downs, strict=True):
            if a != b:
                if a is None or b is None:
                    return 1 if a is None else -1
                return (1 if a > b else -1) * (-1 if down else 1)
        return 0

    return sorted(rows, key=cmp_to_key(compare))


def selected(stored: Mapping[int, Entry], where: Filter, unit: Unit) -> dict[int, Entry]:
    """The entries, or one of each scene, that pass the filter, by key."""
    passing = {key: entry for key, entry in stored.items() if filtering.Facts(entry).meet(where)}
    if unit == "entry":
        return passing
    return {
        key: entry for key, entry in passing.items() if entry.identity.part in (None, (0, 0, 8, 8))
    }


def counts(stored: Mapping[int, Entry], where: Filter, grouping: Grouping, unit: Unit) -> Counts:
    """What is of which group."""
    members: Counter[str] = Counter()
    unknown = 0
    found = selected(stored, where, unit).values()
    for entry in found:
        values = _groups(entry, grouping)
        members.update(values)
        unknown += not values
    best = sorted(members.items(), key=lambda pair: (-pair[1], pair[0]))[: grouping.most]
    others = members.total() - sum(count for _, count in best)
    if grouping.by in ("year", "month", "day"):
        best.sort()
    groups = tuple(Group(value, count) for value, count in best)
    return Counts(groups, len(found), unknown, len(members), others)


def _groups(entry: Entry, grouping: Grouping) -> list[str]:
    known = entry.metadata
    match grouping.by:
        case "collection":
            return [entry.identity.collection]
        case "term":
            return list(entry.top_terms)
        case "tile":
            footprint = Footprint.of(known.footprint) if known.footprint else None
            return [_tile(*footprint.centre, grouping.zoom)] if footprint else []
        case by:
            length = {"year": 4, "month": 7, "day": 10}[by]
            when = _instant(known.datetime)
            return [] if when is None else [when.isoformat()[:length]]


def _tile(longitude: float, latitude: float, zoom: int) -> str:
    """Web Mercator, as its textbook has it."""
    side = 2**zoom
    sine = math.sin(math.radians(max(-89.9, min(89.9, latitude))))
    column = int((longitude + 180) / 360 * side)
    row = math.floor((0.5 - math.atanh(sine) / math.tau) * side)
    return f"{zoom}/{min(column, side - 1)}/{min(max(row, 0), side - 1)}"


def _value(entry: Entry, on: Subject) -> Any:
    known = entry.metadata
    if on.is_property:
        value = known.properties.get(on.name)
        if on.type == "text":
            return str(value).lower() if isinstance(value, bool) else _only(str, value)
        return None if isinstance(value, bool) else _only((int, float), value)
    match on.name:
        case "datetime":
            when = _instant(known.datetime)
            epoch = datetime(1970, 1, 1, tzinfo=UTC)
            return None if when is None else (when - epoch) // timedelta(milliseconds=1)
        case "collection" | "scene":
            return _only(str, getattr(entry.identity, on.name))
        case name:
            return _only((str, int, float), getattr(known, name))


def _only(types: Any, value: Any) -> Any:
    return value if isinstance(value, types) else None


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _ties(key: int, entry: Entry) -> tuple[str, str, int]:
    return entry.identity.collection, entry.identity.scene, key
