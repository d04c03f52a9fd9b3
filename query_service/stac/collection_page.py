"""Pages of collections by name, all of them or those that lie in a place and a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from query_service.request import RequestError
from query_service.stac.asked import CollectionsParameters
from query_service.stac.collections import WORLD
from query_service.stac.question import checked_limit
from query_service.stac.token import parsed, spelled
from scenestore.conditions import ANY_TIME, Time, box, interval
from scenestore.extent import Extent
from scenestore.filters import ANY, Box, Filter
from scenestore.instants import milliseconds
from scenestore.ports import LiveEntries


@dataclass(frozen=True)
class CollectionPage:
    """Collections with what they cover, and how to go on."""

    found: tuple[tuple[str, Extent], ...]
    token: str | None
    """Where the next page begins; None where this is the last."""
    matched: int


@dataclass(frozen=True)
class CollectionsAsked:
    """Which collections, and how many a page; one of which nothing is known may lie anywhere."""

    place: Box | None
    time: Time
    limit: int
    token: str | None

    @classmethod
    def of(cls, asked: CollectionsParameters) -> Self:
        """What is asked by GET; FilterError or RequestError where it cannot be."""
        return cls(
            box(asked.bbox) if asked.bbox else None,
            interval(asked.datetime) if asked.datetime else ANY_TIME,
            checked_limit(asked.limit),
            asked.token or None,
        )

    def page(self, names: Sequence[str], entries: LiveEntries) -> CollectionPage:
        """The page of the sorted names; what they cover is asked for at once."""
        extents: dict[str, Extent] = {}
        if self.place is not None or self.time != ANY_TIME:
            extents = entries.extents("chip", ANY)
            names = [name for name in names if self._meets(extents.get(name, Extent()))]
        start = bisect_right(names, self._after()) if self.token else 0
        shown = names[start : start + self.limit]
        if shown and not extents:
            extents = entries.extents("chip", Filter(collections=tuple(shown)))
        is_last = start + len(shown) == len(names)
        token = None if is_last else spelled((shown[-1],), self._same)
        found = tuple((name, extents.get(name, Extent())) for name in shown)
        return CollectionPage(found, token, len(names))

    @property
    def _same(self) -> object:
        """What stays the same from page to page."""
        return "collections", self.place, self.time

    def _after(self) -> str:
        match parsed(self.token or "", self._same):
            case (str(name),):
                return name
            case _:
                raise RequestError("the token is not one of ours; begin at the first page")

    def _meets(self, extent: Extent) -> bool:
        """Whether it may have scenes there and then."""
        since, until = (None if end is None else milliseconds(end) for end in self.time)
        is_before = since is not None and extent.last is not None and extent.last < since
        is_after = until is not None and extent.first is not None and extent.first > until
        if is_before or is_after or self.place is None:
            return not (is_before or is_after)
        return any(_overlap(part, extent.place or WORLD) for part in self.place.parts())


def _overlap(one: Box, other: Box) -> bool:
    """Whether two boxes whose west <= east have a point in common."""
    across = one.west <= other.east and other.west <= one.east
    return across and one.south <= other.north and other.south <= one.north
