"""The filter that conditions make, as the command line, calls, requests and STAC all give them.

Each has one reader here, so that what one of them takes, and what one says, all do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from scenestore import areas, cql
from scenestore.cql.form import is_text, read_json
from scenestore.errors import FilterError
from scenestore.expression import Expression, Meets
from scenestore.filters import Box, Filter, Value
from scenestore.instants import period

MOST_NAMES = 1_000
"""Collections, or ids, of one search."""
Instant = str | datetime
Time = tuple[datetime | None, datetime | None]
"""First and last instant, themselves included; None for an open end."""
ANY_TIME: Time = (None, None)
Cloud = tuple[float | None, float | None]
"""Least and most percent, themselves included; None for an open end."""
ANY_CLOUD: Cloud = (None, None)
Values = Value | Sequence[Value]
Cql2 = str | Mapping[str, Any]
"""A filter as text, as JSON text, or as JSON."""
GeoJson = str | Mapping[str, Any]
"""A geometry, a feature, or a collection of features; as JSON text, or as JSON."""

_TIME = re.compile(
    r"\d{4}(-\d\d(-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?)?)?)?", re.ASCII
)
"""As RFC 3339 has them, or less of that: QGIS leaves out the zone."""


def conditions(
    collections: Sequence[str] = (),
    time: Time = ANY_TIME,
    bbox: str | Sequence[float] | None = None,
    cloud: Cloud = ANY_CLOUD,
    properties: Mapping[str, Values] | None = None,
    filter: Cql2 | None = None,
    intersects: GeoJson | None = None,
    others: Iterable[Expression] = (),
) -> Filter:
    """What an entry must meet, all of it; FilterError says which condition cannot be."""
    expressions = list(others)
    if filter is not None:
        expressions.append(cql.read(filter))
    if intersects is not None:
        expressions.append(Meets(areas.read(read_json(intersects, "intersects"))))
    least, most = cloud
    since, until = time
    return Filter(
        collections=tuple(dict.fromkeys(names("collections", collections))),
        since=since,
        until=until,
        cloud_cover=None if cloud == ANY_CLOUD else (least or 0.0, 100.0 if most is None else most),
        bbox=None if bbox is None else box(bbox),
        properties=tuple((name, _values(given)) for name, given in (properties or {}).items()),
        expressions=tuple(expressions),
    )


def names(what: str, given: Sequence[str]) -> Sequence[str]:
    """The names; FilterError where there are too many, or one cannot be."""
    if len(given) > MOST_NAMES:
        raise FilterError(f"{len(given):,} {what} are more than {MOST_NAMES:,}; ask in parts")
    if not all(map(is_text, given)):
        raise FilterError(
            f"{what}: one has a character that is no text (NUL, or half a pair); leave it out"
        )
    return given


def box(given: str | Sequence[float]) -> Box:
    """The box of west, south, east, north in degrees, as numbers or with commas between them.

    FilterError says why it is none.
    """
    if not isinstance(given, str):
        return Box.of(given)
    try:
        return Box.of([float(part) for part in given.split(",")])
    except ValueError as error:
        raise FilterError(
            f"bbox {given[:80]!a} is not numbers; give west,south,east,north in degrees"
        ) from error


def interval(text: str) -> Time:
    """The time of an instant, a day, month or year, or START/END, where `..` is an open end.

    FilterError where it is none of these.
    """
    ends = [end.strip() for end in text.split("/")]
    if len(ends) > 2:
        raise FilterError(f"datetime {text[:80]!a} has more than one slash; give START/END")
    known = [None if end in ("", "..") else _period("datetime", end) for end in ends]
    if not any(known):
        raise FilterError("datetime is open at both ends; leave it out, or give one of them")
    first, last = known[0], known[-1]
    if first and last and first[0] > last[1]:
        raise FilterError(f"datetime {text[:80]!a} begins after its end; swap them")
    return first and first[0], last and last[1]


def span(since: Instant | None, until: Instant | None) -> Time:
    """The time from one instant, day, month or year to the end of another; None is an open end.

    FilterError where a text is none of these.
    """
    return (
        _period("since", since)[0] if isinstance(since, str) else since,
        _period("until", until)[1] if isinstance(until, str) else until,
    )


def _period(name: str, text: str) -> tuple[datetime, datetime]:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return period(text.upper())
    except (ValueError, OverflowError) as error:
        raise FilterError(
            f"{name} {text[:80]!a} is not a date or time; give 2024, 2024-05, 2024-05-31 or "
            "2024-05-31T10:30:00Z"
        ) from error


def _values(given: Values) -> tuple[Value, ...]:
    return (given,) if isinstance(given, str | int | float) else tuple(given)
