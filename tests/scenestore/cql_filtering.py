"""The oracle of CQL2: what a filter's JSON form means for an entry, and made-up filters.

Written against the standard alone: three values, of which None is neither true nor false.
"""

from __future__ import annotations

import json
import operator
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import shapely
from hypothesis import strategies as st

from scenestore.entry import Entry
from scenestore.filters import Value
from scenestore.footprint import Footprint
from tests.scenestore import filtering
from tests.scenestore.builders import chip
from tests.scenestore.filtering import STEP

Verdict = bool | None
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PLATFORMS = ["landsat-8", "Landsat-8", "LANDSAT_8", "sentinel-2a", "", "a*b?[c]", "été\\"]
TEXTS = ["ascending", "a b: é", "", "51", "2020-01-02", "2020-01-02T03:04:05.678+01:00", "🛰", "Z"]
NUMBERS = [51.0, 33.25, -1.0, 0.0, -0.0, 1e300, 12.5, 100.0]
DATES = ["1969-12-31", "2020-01-02", "2024-02-29", "0001-01-01", "9999-12-31"]
STAMPS = [*filtering.INSTANTS, "2020-01-02T02:04:05.678Z"]
NAMES = ["orbit", "sun.angle", "sun", "Größe", "nowhere", "seen", "a b"]
PATTERNS = [
    "%", "", "landsat-8", "L%", "%8", "%_2a", "_andsat%", "a*b?[c]", "%[%", "%*%", "été\\\\", "_",
    "a_b%", "%:%", "\\_%", "5_", "%\\%%", "2020-01-02%",
]  # fmt: skip


def entries() -> list[Entry]:
    """Those that other filters are tested with, and more of what these can tell."""
    chance = random.Random(7)

    def perhaps(value: Any) -> Any:
        return value if chance.random() < 0.7 else None

    made: list[Entry] = []
    values: list[Value] = [*TEXTS, *NUMBERS, True, False, 51]
    for entry in filtering.entries():
        known = replace(
            entry.metadata,
            gsd=perhaps(chance.choice([0.3, 10.0, 30.0])),
            platform=perhaps(chance.choice(PLATFORMS)),
            properties={
                **entry.metadata.properties,
                **{
                    name: chance.choice(values)
                    for name in ("sun", "seen", "a b")
                    if chance.random() < 0.7
                },
            },
        )
        made.append(replace(entry, metadata=known))
    return [*made, chip("long", properties={"seen": "x" * 9_000}), chip("bare")]


def verdict(node: Any, entry: Entry) -> Verdict:
    """Whether a filter's JSON form is true, false or neither of an entry."""
    if isinstance(node, bool):
        return node
    op, args = node["op"], node["args"]
    match op:
        case "and":
            return _least([verdict(arg, entry) for arg in args])
        case "or":
            return _not(_least([_not(verdict(arg, entry)) for arg in args]))
        case "not":
            return _not(verdict(args[0], entry))
        case "isNull":
            return _held(args[0], entry) is None
        case "s_intersects":
            return _meets(entry, args[1])
        case "between":
            return _least(
                [_compared(">=", args[0], args[1], entry), _compared("<=", args[0], args[2], entry)]
            )
        case "in":
            return _not(_least([_not(_compared("=", args[0], v, entry)) for v in args[1]]))
        case "like":
            return _like(args[0], args[1], entry)
        case "<>":
            return _not(_compared("=", args[0], args[1], entry))
        case _ if op in _COMPARE:
            return _compared(op, args[0], args[1], entry)
        case _:
            return _timed(op, args[0], args[1], entry)


def _not(value: Verdict) -> Verdict:
    return None if value is None else not value


def _least(values: Sequence[Verdict]) -> Verdict:
    if False in values:
        return False
    return None if None in values else True


def _held(node: Any, entry: Entry) -> Any:
    """What is known of a property by that name."""
    name, known = node["property"], entry.metadata
    match name:
        case "collection" | "scene":
            return getattr(entry.identity, name)
        case "datetime":
            return known.datetime
        case "cloud_cover" | "eo:cloud_cover":
            return known.cloud_cover
        case "gsd" | "platform":
            return getattr(known, name)
        case "geometry" | "footprint":
            return Footprint.of(known.footprint) if known.footprint else None
        case _:
            value = known.properties.get(name)
            is_long = isinstance(value, str) and len(name) + len(value) > 8_000
            return None if is_long else value


def _when(node: Any, entry: Entry) -> int | None:
    """The same as milliseconds since 1970, where it is a date."""
    text = _held(node, entry)
    return _instant(text) if isinstance(text, str) else None


def _compared(op: str, left: Any, right: Any, entry: Entry) -> Verdict:
    """Values of different types are not comparable: neither true nor false."""
    folded = "op" in left
    if isinstance(right, dict) and ("date" in right or "timestamp" in right):
        when = _when(left, entry)
        if when is None:
            return None
        first, last = _period(right)
        if op == "=":
            return first <= when <= last
        return _COMPARE[op](when, first if op in ("<", ">=") else last)
    held = _held(left["args"][0] if folded else left, entry)
    if held is None:
        return None
    if folded:
        held, right = _small(held), _small(right["args"][0])
    held, right = (str(v).lower() if isinstance(v, bool) else v for v in (held, right))
    if isinstance(held, str) is not isinstance(right, str):
        return None
    return _COMPARE[op](held, right)


def _like(left: Any, pattern: Any, entry: Entry) -> Verdict:
    folded = "op" in left
    held = _held(left["args"][0] if folded else left, entry)
    held = str(held).lower() if isinstance(held, bool) else held
    if not isinstance(held, str):
        return None
    if folded:
        held, pattern = _small(held), _small(pattern["args"][0])
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    regex = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(regex, held, re.DOTALL) is not None


def _small(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _timed(op: str, left: Any, right: Any, entry: Entry) -> Verdict:
    held = _when(left, entry)
    if held is None:
        return None
    if isinstance(right, dict) and "interval" in right:
        start, end = right["interval"]
        first = float("-inf") if start == ".." else _period({"date": start})[0]
        last = float("inf") if end == ".." else _period({"date": end})[1]
    else:
        first, last = _period(right if isinstance(right, dict) else {"date": right})
    match op:
        case "t_after":
            return held > last
        case "t_before":
            return held < first
        case "t_during":
            return first < held < last
        case "t_intersects" | "t_equals":
            return first <= held <= last
        case "t_disjoint":
            return not first <= held <= last
    raise AssertionError(op)


def _meets(entry: Entry, place: Any) -> Verdict:
    footprint = _held({"property": "geometry"}, entry)
    if footprint is None:
        return None
    if "bbox" in place:
        west, south, east, north = place["bbox"]
        spans = [(west, east)] if west <= east else [(west, 180), (-180, east)]
        areas = [shapely.box(w, south, e, north).envelope for w, e in spans]
    else:
        areas = [shapely.from_geojson(json.dumps(place))]
    for part in footprint.parts:
        turned = shapely.transform(part, lambda corners: corners - np.array([360.0, 0.0]))
        crossing = [turned] if part.bounds[2] > 180 else []
        if any(shapely.intersects(p, a) for p in (part, *crossing) for a in areas):
            return True
    return False


def _instant(text: str | None) -> int | None:
    """Milliseconds; None where it is no date and no instant."""
    if text is None or not re.match(r"\d{4}-\d\d-\d\d", text):
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return (when - _EPOCH) // _MILLISECOND


def _period(literal: Any) -> tuple[int, int]:
    text = literal.get("date") or literal["timestamp"]
    first = _instant(text)
    assert first is not None
    return (first, first + 86_399_999) if len(text) == 10 else (first, first)


# --- made-up filters


def filters() -> st.SearchStrategy[Any]:
    """Filters of every operator, nested, on what entries know and on what they do not."""
    return st.recursive(_conditions(), _groups, max_leaves=5)


def _groups(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(_op, st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)),
        inner.map(lambda one: _op("not", [one])),
        inner.map(lambda one: _op("not", [one])),
    )


def _op(op: str, args: Sequence[Any]) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


def _property(*names: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(names).map(lambda name: {"property": name})


def _conditions() -> st.SearchStrategy[Any]:
    numbers = _property("cloud_cover", "eo:cloud_cover", "gsd", *NAMES)
    texts = _property("platform", "scene", "collection", *NAMES)
    fields = _property("platform", "collection")
    number = st.sampled_from([*NUMBERS, *filtering.CLOUDS, 10, 30, 0.3])
    text = st.sampled_from([*PLATFORMS, *TEXTS, "c1", "s7"])
    ascii_text = text.filter(str.isascii)
    dates = _property("datetime", "datetime", *NAMES)
    date = st.one_of(
        st.sampled_from(DATES).map(lambda when: {"date": when}),
        st.sampled_from(STAMPS).map(lambda when: {"timestamp": when}),
    )
    compare = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    intervals = st.tuples(
        st.sampled_from(["..", *DATES, *STAMPS]), st.sampled_from(["..", *DATES, *STAMPS])
    ).filter(_is_ordered)
    interval = intervals.map(lambda ends: {"interval": list(ends)})

    def casei(inner: Any) -> Any:
        return _op("casei", [inner])

    return st.one_of(
        st.booleans(),
        *(
            st.builds(lambda op, a, b: _op(op, [a, b]), compare, on, value)
            for on, value in ((numbers, number), (texts, text), (dates, date))
        ),
        st.builds(
            lambda op, a, b: _op(op, [a, b]),
            st.sampled_from(["=", "<>"]),
            _property(*NAMES),
            st.booleans(),
        ),
        *(
            st.builds(
                lambda a, ends: _op("between", [a, *sorted(ends)]),
                on,
                st.tuples(value, value),
            )
            for on, value in ((numbers, number), (texts, text))
        ),
        st.builds(lambda a, values: _op("in", [a, values]), numbers, st.lists(number, min_size=1)),
        st.builds(lambda a, values: _op("in", [a, values]), texts, st.lists(text, min_size=1)),
        st.builds(
            lambda a, values: _op("in", [a, values]), dates, st.lists(date, min_size=1, max_size=3)
        ),
        st.builds(lambda a, b: _op("like", [a, b]), texts, st.sampled_from(PATTERNS)),
        st.builds(
            lambda op, a, b: _op(op, [casei(a), casei(b)]),
            st.sampled_from(["=", "<>"]),
            fields,
            ascii_text,
        ),
        st.builds(
            lambda a, b: _op("like", [casei(a), casei(b)]),
            fields,
            st.sampled_from(PATTERNS).filter(str.isascii),
        ),
        st.builds(
            lambda a: _op("isNull", [a]),
            _property("datetime", "cloud_cover", "gsd", "platform", "scene", "geometry", *NAMES),
        ),
        st.builds(
            lambda op, a, b: _op(op, [a, b]),
            st.sampled_from(["t_after", "t_before", "t_intersects", "t_disjoint"]),
            dates,
            st.one_of(date, interval),
        ),
        st.builds(lambda a, b: _op("t_during", [a, b]), dates, interval),
        st.builds(lambda a, b: _op("t_equals", [a, b]), dates, date),
        st.builds(lambda place: _op("s_intersects", [{"property": "geometry"}, place]), places()),
    )


def _is_ordered(ends: tuple[str, str]) -> bool:
    return ".." in ends or _period({"date": ends[0]})[0] <= _period({"date": ends[1]})[1]


def places() -> st.SearchStrategy[Any]:
    """Boxes and geometries on the grid, so that what touches is equal on both engines."""
    column, row = st.integers(-32, 31), st.integers(-16, 15)

    def ring(x: int, y: int, width: int, height: int) -> list[list[float]]:
        west, south = x * STEP, y * STEP
        east, north = min(x + width, 32) * STEP, min(y + height, 16) * STEP
        return [[west, south], [east, south], [east, north], [west, north], [west, south]]

    size = st.integers(1, 20)
    rings = st.builds(ring, column, row, size, size)
    # OpenSearch keeps 180 and 90 degrees as a little less: what slants there touches less.
    inner = rings.filter(lambda found: (np.abs(found) < (180, 90)).all())
    triangle = inner.map(lambda found: [*found[:3], found[0]])
    lines = inner.map(lambda found: [found[0], found[2]])
    boxes = filtering.boxes().map(lambda box: {"bbox": list(box)})
    return st.one_of(
        boxes,
        rings.map(lambda found: {"type": "Polygon", "coordinates": [found]}),
        triangle.map(lambda found: {"type": "Polygon", "coordinates": [found]}),
        lines.map(lambda found: {"type": "LineString", "coordinates": found}),
        rings.map(lambda found: {"type": "Point", "coordinates": found[0]}),
        st.lists(rings, min_size=1, max_size=3).map(
            lambda found: {
                "type": "GeometryCollection",
                "geometries": [{"type": "Polygon", "coordinates": [one]} for one in found],
            }
        ),
    )
