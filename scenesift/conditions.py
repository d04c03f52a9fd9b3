"""Filters as people write them: on the command line, and in calls of the Python interface."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from scenestore.errors import FilterError
from scenestore.filters import Box, Filter, Value
from scenestore.instants import period

Instant = str | datetime
Values = Value | Sequence[Value]


def conditions(
    collections: Sequence[str] = (),
    since: Instant | None = None,
    until: Instant | None = None,
    bbox: Sequence[float] | None = None,
    max_cloud: float | None = None,
    properties: Mapping[str, Values] | None = None,
) -> Filter:
    """The filter that such conditions make; FilterError says which cannot be."""
    return Filter(
        collections=tuple(collections),
        since=_instant("since", since),
        until=_instant("until", until),
        cloud_cover=None if max_cloud is None else (0.0, max_cloud),
        bbox=None if bbox is None else Box.of(bbox),
        properties=tuple((name, _values(given)) for name, given in (properties or {}).items()),
    )


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
