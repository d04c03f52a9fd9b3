"""The filter that the conditions of a request make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from scenestore import areas, cql
from scenestore.cql.form import is_text, read_json
from scenestore.errors import FilterError
from scenestore.expression import Expression, Meets
from scenestore.filters import Box, Filter
from scenestore.instants import period

MOST_COLLECTIONS = 1_000


def conditions(
    collections: Sequence[str] = (),
    when: str | None = None,
    bbox: Sequence[float] | None = None,
    intersects: Mapping[str, Any] | None = None,
    least_cloud: float | None = None,
    most_cloud: float | None = None,
    filter: str | Mapping[str, Any] | None = None,
) -> Filter:
    """What an entry must meet; FilterError says which condition cannot be."""
    if len(collections) > MOST_COLLECTIONS:
        raise FilterError(f"more than {MOST_COLLECTIONS:,} collections are named; ask in parts")
    if not all(map(is_text, collections)):
        raise FilterError("the name of a collection has a character that is no text")
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
        collections=tuple(dict.fromkeys(collections)),
        since=since,
        until=until,
        cloud_cover=cloud,
        bbox=None if bbox is None else box(bbox),
        expressions=tuple(expressions),
    )


def interval(text: str) -> tuple[datetime | None, datetime | None]:
    """First and last instant of an instant, a day, month or year, or START/END; `..` is open."""
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
        return period(text.upper())
    except (ValueError, OverflowError) as error:
        raise FilterError(
            f"datetime {text[:80]!a} is not one; give 2024, 2024-05-31 or 2024-05-31T10:30:00Z"
        ) from error


def box(numbers: Sequence[float]) -> Box:
    """West, south, east, north; of six numbers, those of height count for nothing."""
    return Box.of([*numbers[:2], *numbers[3:5]] if len(numbers) == 6 else numbers)
