"""The filter that the conditions of a request make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from query_service.request import RequestError
from scenestore import areas, cql
from scenestore.cql.form import is_text, read_json
from scenestore.errors import FilterError
from scenestore.expression import Expression, Meets
from scenestore.filters import Box, Filter
from scenestore.instants import period

MOST_NAMES = 1_000
"""Collections, or ids, of one search."""
_TIME = re.compile(
    r"\d{4}(-\d\d(-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?)?)?)?", re.ASCII
)
"""As RFC 3339 has them, or less of that: QGIS leaves out the zone."""


def conditions(
    collections: Sequence[str] = (),
    when: str | None = None,
    bbox: Sequence[float] | None = None,
    intersects: Mapping[str, Any] | None = None,
    least_cloud: float | None = None,
    most_cloud: float | None = None,
    filter: str | Mapping[str, Any] | None = None,
) -> Filter:
    """What an entry must meet; FilterError or RequestError says which condition cannot be."""
    expressions: list[Expression] = []
    if filter is not None:
        expressions.append(cql.read(filter))
    if intersects is not None:
        expressions.append(Meets(areas.read(read_json(intersects, "intersects"))))
    since, until = (None, None) if when is None else interval(when)
    cloud = None
    if least_cloud is not None or most_cloud is not None:
        cloud = least_cloud or 0.0, 100.0 if most_cloud is None else most_cloud
    return Filter(
        collections=tuple(dict.fromkeys(checked_names("collections", collections))),
        since=since,
        until=until,
        cloud_cover=cloud,
        bbox=None if bbox is None else box(bbox),
        expressions=tuple(expressions),
    )


def checked_names(what: str, names: Sequence[str]) -> Sequence[str]:
    """The names; RequestError where there are too many, or one cannot be."""
    if len(names) > MOST_NAMES:
        raise RequestError(f"{len(names):,} {what} are more than {MOST_NAMES:,}; ask in parts")
    if not all(map(is_text, names)):
        raise RequestError(f"{what}: one has a character that is no text (NUL, or half a pair)")
    return names


def interval(text: str) -> tuple[datetime | None, datetime | None]:
    """First and last instant of an instant, a day, month or year, or START/END; `..` is open.

    FilterError where it is none of these.
    """
    ends = [end.strip() for end in text.split("/")]
    if len(ends) > 2:
        raise FilterError(f"datetime {text[:80]!a} has more than one slash; give START/END")
    known = [None if end in ("", "..") else _period(end) for end in ends]
    if not any(known):
        raise FilterError("datetime is open at both ends; leave it out, or give one of them")
    first, last = known[0], known[-1]
    return first and first[0], last and last[1]


def _period(text: str) -> tuple[datetime, datetime]:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return period(text.upper())
    except (ValueError, OverflowError) as error:
        raise FilterError(
            f"datetime {text[:80]!a} is not one; give 2024, 2024-05-31 or 2024-05-31T10:30:00Z"
        ) from error


def box(numbers: Sequence[float]) -> Box:
    """West, south, east, north; of six numbers, those of height count for nothing."""
    return Box.of([*numbers[:2], *numbers[3:5]] if len(numbers) == 6 else numbers)
