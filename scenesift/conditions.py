"""Filters as people write them: on the command line, and in calls of the Python interface."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from scenestore import areas, cql
from scenestore.cql.form import LONGEST_JSON, read_json
from scenestore.errors import FilterError
from scenestore.expression import Expression, Meets
from scenestore.filters import Box, Filter, Value
from scenestore.instants import period

Instant = str | datetime
Values = Value | Sequence[Value]
Cql2 = str | Mapping[str, Any]
"""A filter as text, as JSON text, or as JSON."""
GeoJson = Mapping[str, Any]
"""A geometry, a feature, or a collection of features."""


def conditions(
    collections: Sequence[str] = (),
    since: Instant | None = None,
    until: Instant | None = None,
    bbox: Sequence[float] | None = None,
    max_cloud: float | None = None,
    properties: Mapping[str, Values] | None = None,
    filter: Cql2 | None = None,
    intersects: GeoJson | None = None,
) -> Filter:
    """The filter that such conditions make; FilterError says which cannot be."""
    expressions: list[Expression] = []
    if filter is not None:
        expressions.append(cql.read(filter))
    if intersects is not None:
        expressions.append(Meets(areas.read(read_json(intersects, "the area"))))
    return Filter(
        collections=tuple(collections),
        since=_instant("since", since),
        until=_instant("until", until),
        cloud_cover=None if max_cloud is None else (0.0, max_cloud),
        bbox=None if bbox is None else Box.of(bbox),
        properties=tuple((name, _values(given)) for name, given in (properties or {}).items()),
        expressions=tuple(expressions),
    )


def geojson(file: Path) -> GeoJson:
    """What a GeoJSON file says; FilterError where it is none."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            found = read_json(opened.read(LONGEST_JSON + 1), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise FilterError(f"cannot read {file}: {error}; give a GeoJSON file") from error
    if not isinstance(found, dict):
        raise FilterError(f"{file} is no GeoJSON: it holds no object")
    return found


def box(text: str) -> Box:
    """The box that `west,south,east,north` spells."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise FilterError(
            f"bbox {text!a} is not four numbers; give west,south,east,north in degrees"
        ) from error
    return Box.of(numbers)


def properties(pairs: Iterable[str]) -> dict[str, tuple[Value, ...]]:
    """The properties that NAME=VALUE texts ask for.

    A value that reads as a number, true or false may be that or a text of this spelling.
    """
    wanted: dict[str, tuple[Value, ...]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise FilterError(f"property {pair!a} has no value to compare with; give NAME=VALUE")
        if name in wanted:
            raise FilterError(f"property {name!a} is given twice; one value a property")
        wanted[name] = (text, *_numbers(text))
    return wanted


def _numbers(text: str) -> Iterable[float]:
    try:
        value = json.loads(text)
        number = float(value) if type(value) in (int, float) else None
    except (ValueError, OverflowError):
        return ()
    return () if number is None else (number,)


def _values(given: Values) -> tuple[Value, ...]:
    if isinstance(given, str | int | float):
        return (given,)
    return tuple(given)


def _instant(name: str, given: Instant | None) -> datetime | None:
    """A text may be a whole year, month or day: `since` means its first instant, else its last."""
    if not isinstance(given, str):
        return given
    try:
        first, last = period(given)
    except (ValueError, OverflowError) as error:
        raise FilterError(
            f"{name} {given!a} is not a date; give 2024, 2024-05, 2024-05-31 "
            "or 2024-05-31T10:30:00Z"
        ) from error
    return first if name == "since" else last
