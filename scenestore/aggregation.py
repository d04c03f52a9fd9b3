"""Counts of entries, or scenes, by time, collection, word or tile: exact, or refused."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from scenestore.entry import Entry
from scenestore.errors import FilterError
from scenestore.footprint import Footprint
from scenestore.instants import known_milliseconds, written
from scenestore.tiles import DEEPEST, tile

By = Literal["year", "month", "day", "collection", "term", "tile"]
"""Calendar years, months and days are UTC's; a term is a word of an entry's `top_terms`; a tile is
the Web Mercator tile that the centre lies in."""
MOST_GROUPS = 50_000
"""Different groups that are counted at all: bounds memory and time on both engines."""
_DIGITS = {"year": 4, "month": 7, "day": 10}
"""Of an instant, as ISO 8601 writes it."""
_NAMES = {"collection": "collections", "term": "terms", "tile": "tiles"}


@dataclass(frozen=True, slots=True)
class Grouping:
    """What to count by, and how many groups to tell of."""

    by: By
    most: int = 100
    zoom: int = 0
    """Of tiles: 4^zoom of them cover the Earth."""

    def __post_init__(self) -> None:
        if not 1 <= self.most <= MOST_GROUPS:
            raise FilterError(f"{self.most} groups to tell of are not from 1 to {MOST_GROUPS:,}")
        if not 0 <= self.zoom <= DEEPEST:
            raise FilterError(f"zoom {self.zoom} is not from 0 to {DEEPEST}")


@dataclass(frozen=True, slots=True)
class Group:
    """How many are of one value: `2024`, `2024-05`, `2024-05-31`, a name, a word or `z/x/y`."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Groups with the most members, and what they leave out. Nothing is estimated."""

    groups: tuple[Group, ...]
    """By (-count, value); those of time by value."""
    total: int
    """All that match, whatever group they are of."""
    unknown: int
    """Those of no group: without an instant, a word, a place."""
    distinct: int
    """Groups that there are, those left out too."""
    others: int
    """Members of the groups left out; what has several words is in several."""


def counted(
    found: Iterable[tuple[str, int]], grouping: Grouping, total: int, unknown: int
) -> Counts:
    """The counts of all groups, each given once; FilterError where they are too many."""
    seen = members = 0

    def bounded() -> Iterable[tuple[str, int]]:
        nonlocal seen, members
        for value, count in found:
            seen, members = seen + 1, members + count
            if seen > MOST_GROUPS:
                what = _NAMES.get(grouping.by, f"{grouping.by}s")
                raise FilterError(
                    f"there are more than {MOST_GROUPS:,} {what} to count; narrow the filter"
                    + (" or take a lower zoom" if grouping.by == "tile" else "")
                )
            yield value, count

    best = heapq.nsmallest(grouping.most, bounded(), key=lambda pair: (-pair[1], pair[0]))
    kept = sum(count for _, count in best)
    if grouping.by in ("year", "month", "day"):
        best.sort()
    groups = tuple(Group(value, count) for value, count in best)
    return Counts(groups, total, unknown, seen, members - kept)


def of_entries(entries: Iterable[Entry], grouping: Grouping) -> Counts:
    """The counts of entries that are at hand, such as the hits of a search."""
    members: Counter[str] = Counter()
    total = unknown = 0
    for entry in entries:
        values = _values(entry, grouping)
        members.update(values)
        total, unknown = total + 1, unknown + (not values)
    return counted(members.items(), grouping, total, unknown)


def _values(entry: Entry, grouping: Grouping) -> Collection[str]:
    known = entry.metadata
    match grouping.by:
        case "collection":
            return (entry.identity.collection,)
        case "term":
            return set(entry.top_terms)
        case "tile":
            found = Footprint.of(known.footprint) if known.footprint else None
            return () if found is None else (tile(*found.centre, grouping.zoom),)
        case unit:
            when = known_milliseconds(known.datetime)
            return () if when is None else (written(when)[: _DIGITS[unit]],)
