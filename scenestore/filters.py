"""Filters on entries; each engine has one translator for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from scenestore.entry import Scene
from scenestore.errors import FilterError
from scenestore.expression import (
    CLOUD_COVER,
    COLLECTION,
    DATETIME,
    SCENE,
    All,
    Bound,
    Expression,
    Meets,
    OneOf,
    Some,
    Subject,
    Within,
)
from scenestore.instants import milliseconds

Value = str | float | int | bool
"""What a property may hold."""
LONGEST_PROPERTY = 8_000
"""Characters of a property that is searched, name included; a longer one meets no filter. Lucene
takes 32,766 bytes."""
_SHOWN = 6
"""Numbers of a bbox that an error shows."""
SEVERAL = "several"
"""The kind of a filter that joins others."""
OTHER = "other"
"""The kind of one that asks for something else."""


class Box(NamedTuple):
    """A box on the map, in degrees; where west > east it crosses longitude 180."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Box:
        """The box of west, south, east, north; FilterError says what is wrong with them.

        Of six numbers, those of height (the third and the last) count for nothing.
        """
        values = tuple(numbers)
        shown = ", ".join(f"{value:g}" for value in values[:_SHOWN])
        if len(values) == 6:
            values = values[:2] + values[3:5]
        if len(values) != 4:
            more = ", ..." if len(values) > _SHOWN else ""
            raise FilterError(
                f"bbox {shown}{more} has {len(values):,} numbers; give west,south,east,north"
            )
        box = cls(*map(float, values))
        if not (abs(box.west) <= 180 and abs(box.east) <= 180):
            raise FilterError(
                f"bbox {shown}: a longitude is not from -180 to 180 degrees; a box across "
                "longitude 180 has its west above its east"
            )
        if not (abs(box.south) <= 90 and abs(box.north) <= 90):
            raise FilterError(
                f"bbox {shown}: a latitude is not from -90 to 90 degrees; "
                "the order is west,south,east,north"
            )
        if box.south > box.north:
            raise FilterError(
                f"bbox {shown} is upside down: south {box.south:g} is above north {box.north:g}; "
                "the order is west,south,east,north"
            )
        return box

    def parts(self) -> tuple[Box, ...]:
        """The same area as boxes with west <= east."""
        if self.west <= self.east:
            return (self,)
        return self._replace(east=180.0), self._replace(west=-180.0)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries a search may return; all conditions hold together, empty means any.

    An entry of which something is not known meets no condition on that. Raises FilterError for a
    condition that cannot be.
    """

    collections: tuple[str, ...] = ()
    scenes: tuple[Scene, ...] = ()
    """(collection, scene) pairs of which one must match."""
    without_scenes: tuple[Scene, ...] = ()
    """(collection, scene) pairs that must not match: `--like` leaves out its own scene."""
    since: datetime | None = None
    """First instant, itself included, to the millisecond; without a zone it is UTC."""
    until: datetime | None = None
    """Last instant, itself included, to the millisecond; without a zone it is UTC."""
    cloud_cover: tuple[float, float] | None = None
    """Least and most percent, themselves included."""
    bbox: Box | None = None
    """The footprint has at least a point in common with this box."""
    properties: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    """Names, each with the values of which one must be the property's.

    Numbers are equal as float64, texts to the letter; `true` and `false` are also texts.
    """
    expressions: tuple[Expression, ...] = ()
    """What else must hold, such as what `scenestore.cql` reads."""

    def __post_init__(self) -> None:
        self._check_time()
        self._check_cloud_cover()
        if self.bbox is not None:
            Box.of(self.bbox)
        for name, values in self.properties:
            _check_property(name, values)

    @property
    def kind(self) -> str:
        """What it filters by: collection, scene, time, cloud, place or property.

        SEVERAL for more than one, OTHER where another condition is among them, '' for nothing.
        Leaving out a few scenes keeps nearly all, and counts as nothing.
        """
        found = {_kind(condition) for condition in self.conditions()}
        found |= {"collection"} if self.collections else set()
        found |= {"scene"} if self.scenes else set()
        if OTHER in found:
            return OTHER
        return SEVERAL if len(found) > 1 else next(iter(found), "")

    @property
    def narrows(self) -> bool:
        """Whether it can keep only a small part."""
        return self.kind != ""

    def conditions(self) -> Iterator[Expression]:
        """What must hold of an entry, beside the collections and scenes that it may be of."""
        if self.since is not None or self.until is not None:
            yield Within(DATETIME, *(_bound(when) for when in (self.since, self.until)))
        if self.cloud_cover is not None:
            least, most = self.cloud_cover
            yield Within(CLOUD_COVER, Bound(least, included=True), Bound(most, included=True))
        if self.bbox is not None:
            yield Meets(self.bbox)
        for name, values in self.properties:
            yield Some(tuple(_equal(name, value) for value in values))
        for expression in self.expressions:
            yield from expression.conditions if isinstance(expression, All) else (expression,)

    def __bool__(self) -> bool:
        return self.narrows or bool(self.without_scenes)

    def _check_time(self) -> None:
        try:
            since, until = (
                None if when is None else milliseconds(when) for when in (self.since, self.until)
            )
        except OverflowError as error:
            raise FilterError("since or until is not in the years 1 to 9999 UTC") from error
        if since is not None and until is not None and since > until:
            raise FilterError(f"since {self.since} is after until {self.until}; swap them")

    def _check_cloud_cover(self) -> None:
        if self.cloud_cover is None:
            return
        least, most = self.cloud_cover
        if not (0 <= least <= 100 and 0 <= most <= 100):
            raise FilterError(f"cloud cover {least:g} to {most:g} is not within 0 to 100 percent")
        if least > most:
            raise FilterError(f"cloud cover from {least:g} to {most:g} percent: swap them")


def _kind(condition: Expression) -> str:
    match condition:
        case Within(subject, _, _) if subject in (DATETIME, CLOUD_COVER):
            return "time" if subject == DATETIME else "cloud"
        case Meets(Box()):
            return "place"
        case OneOf(Subject(is_property=True)):
            return "property"
        case Some(choices) if choices and {*map(_kind, choices)} == {"property"}:
            return "property"
        case OneOf(subject) if subject in (COLLECTION, SCENE):
            return subject.name
        case _:
            return OTHER


def _bound(when: datetime | None) -> Bound | None:
    return None if when is None else Bound(milliseconds(when), included=True)


def _equal(name: str, value: Value) -> OneOf:
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, str):
        return OneOf(Subject(name, "text", is_property=True), (value,))
    return OneOf(Subject(name, "number", is_property=True), (float(value) + 0.0,))


def _check_property(name: str, values: tuple[Value, ...]) -> None:
    if not name:
        raise FilterError("a property to filter by has no name; give NAME=VALUE")
    if not values:
        raise FilterError(f"property {name!a} has no value to compare with; give NAME=VALUE")
    for value in values:
        if isinstance(value, float) and not math.isfinite(value):
            raise FilterError(f"property {name!a} cannot be equal to {value}; give a finite number")
        if not is_searched(name, value):
            raise FilterError(
                f"property {name[:60]!a}: name and value have more than {LONGEST_PROPERTY} "
                "characters, and so long a one is not searched"
            )


def is_searched(name: str, value: Value) -> bool:
    """Whether a property is short enough for filters to compare."""
    return len(name) + (len(value) if isinstance(value, str) else 0) <= LONGEST_PROPERTY


ANY = Filter()
