"""Filters as SQL: what tables hold for them, and the conditions on the documents table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain

from scenestore.entry import Metadata
from scenestore.filters import Box, Filter, Value, is_searched
from scenestore.footprint import Footprint
from scenestore.instants import known_milliseconds, milliseconds

_FOOTPRINTS = 4_096
"""Footprints that are kept parsed: chips of a scene share one."""


def filtered(known: Metadata) -> tuple[object, ...]:
    """The values of the columns `schema.FILTERED` for an entry."""
    box, shape = _located(json.dumps(known.footprint)) if known.footprint else (None, None)
    return (known_milliseconds(known.datetime), known.cloud_cover, *(box or [None] * 4), shape)


def searched(properties: Mapping[str, Value]) -> list[tuple[str, str | float]]:
    """Name and value of every property that filters compare."""
    return [(n, _comparable(v)) for n, v in properties.items() if is_searched(n, v)]


def meets(shape: str, west: float, south: float, east: float, north: float) -> bool:
    """Whether a footprint meets a box; SQL calls it for footprints on the box's border."""
    footprint = _parsed(shape)
    return footprint is not None and footprint.meets(Box(west, south, east, north))


def where_clause(where: Filter) -> tuple[str, list[object]]:
    """The condition and the values of its parameters; `1` when the filter is empty.

    Conditions that leave out no more than a few (`without_scenes`) are not among them.
    """
    conditions: list[str] = []
    values: list[object] = []

    def add(condition: str, *given: object) -> None:
        conditions.append(condition)
        values.extend(given)

    if where.collections:
        add(f"collection IN ({','.join('?' * len(where.collections))})", *where.collections)
    if where.scenes:
        condition, names = any_scene(where.scenes)
        add(condition, *names)
    if where.since is not None:
        add("datetime >= ?", milliseconds(where.since))
    if where.until is not None:
        add("datetime <= ?", milliseconds(where.until))
    if where.cloud_cover is not None:
        add("cloud_cover BETWEEN ? AND ?", *where.cloud_cover)
    if where.bbox is not None:
        parts = where.bbox.parts()
        add(f"({' OR '.join([_PLACE] * len(parts))})", *chain(*map(_place_values, parts)))
    for name, wanted in where.properties:
        marks = ",".join("?" * len(wanted))
        add(
            f"key IN (SELECT key FROM properties WHERE name = ? AND value IN ({marks}))",
            name,
            *map(_comparable, wanted),
        )
    return " AND ".join(conditions) or "1", values


def any_scene(pairs: Sequence[tuple[str, str]]) -> tuple[str, list[object]]:
    """The condition that it is one of the (collection, scene) pairs, and its values."""
    marks = ",".join(["(?, ?)"] * len(pairs))
    return f"(collection, scene) IN (VALUES {marks})", list(chain(*pairs))


_PLACE = (
    "(key IN (SELECT key FROM places WHERE west <= ? AND east >= ? AND south <= ? AND north >= ?) "
    "AND west <= ? AND east >= ? AND south <= ? AND north >= ? "
    "AND (shape IS NULL OR (west >= ? AND east <= ? AND south >= ? AND north <= ?) "
    "OR meets(shape, ?, ?, ?, ?)))"
)
"""The footprint's box meets ours; it is all of its box, or within ours, or meets ours itself."""


def _place_values(box: Box) -> tuple[float, ...]:
    overlap = (box.east, box.west, box.north, box.south)
    within = (box.west, box.east, box.south, box.north)
    return (*overlap, *overlap, *within, *box)


def _comparable(value: Value) -> str | float:
    """Numbers as float64, all else as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else float(value)


@lru_cache(_FOOTPRINTS)
def _parsed(shape: str) -> Footprint | None:
    return Footprint.of(json.loads(shape))


def _located(shape: str) -> tuple[Box | None, str | None]:
    """The box of a footprint, and the footprint itself where it is not all of it."""
    footprint = _parsed(shape)
    if footprint is None:
        return None, None
    return footprint.box, None if footprint.is_box else shape
