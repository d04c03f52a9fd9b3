"""Filters as SQL: what tables hold for them, and the conditions on the documents table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from scenestore.embedded import places
from scenestore.entry import Metadata
from scenestore.filters import Filter, Value, is_searched
from scenestore.instants import known_milliseconds, milliseconds

_FOOTPRINTS = 4_096
"""Footprints that are kept parsed: chips of a scene share one."""


def filtered(known: Metadata) -> tuple[object, ...]:
    """The values of the columns `schema.FILTERED` for an entry."""
    return known_milliseconds(known.datetime), known.cloud_cover, *places.columns(known)


def searched(properties: Mapping[str, Value]) -> list[tuple[str, str | float]]:
    """Name and value of every property that filters compare."""
    return [(n, _comparable(v)) for n, v in properties.items() if is_searched(n, v)]


def where_clause(where: Filter) -> tuple[str, list[object]]:
    """The condition and the values of its parameters; `1` where there is none.

    What leaves out no more than a few (`without_scenes`) and the place, which SQL alone cannot
    tell, are not among them.
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


def _comparable(value: Value) -> str | float:
    """Numbers as float64, all else as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else float(value)
