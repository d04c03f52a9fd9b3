"""Pages of a listing in SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from scenestore.embedded.expressions import Clause
from scenestore.listing import Listed, Order, Position
from scenestore.tables import entry_from_row

_TIES = [("collection", False), ("scene", False), ("key", False)]
_TYPES = {"number": "real", "text": "text"}
"""How properties of a type are kept."""


def page(
    db: sqlite3.Connection,
    selected: Clause,
    order: Sequence[Order],
    size: int,
    after: Position | None,
) -> list[Listed]:
    """The next `size` documents of those that a condition selects."""
    joins, values = "", list[object]()
    columns: list[tuple[str, bool]] = []
    for place, one in enumerate(order):
        column = one.subject.name
        if one.subject.is_property:
            column = f"value_{place}"
            joins += (
                f" LEFT JOIN (SELECT key AS key_{place}, value AS {column} FROM properties "
                f"WHERE name = ? AND typeof(value) = ?) ON key_{place} = key"
            )
            values += [one.subject.name, _TYPES[one.subject.type]]
        columns.append((column, one.descending))
    columns += _TIES
    condition, bound = selected
    values += bound
    if after is not None:
        beyond, ends = _beyond(columns, after)
        condition, values = f"{condition} AND {beyond}", [*values, *ends]
    names = ", ".join(column for column, _ in columns)
    sort = ", ".join(f"{name} {'DESC' if down else 'ASC'} NULLS LAST" for name, down in columns)
    rows = db.execute(
        f"SELECT body, {names} FROM documents{joins} WHERE {condition} ORDER BY {sort} LIMIT ?",
        [*values, size],
    )
    return [
        Listed(position[-1], entry_from_row(json.loads(body)), tuple(position))
        for body, *position in rows
    ]


def _beyond(columns: Sequence[tuple[str, bool]], position: Position) -> Clause:
    """The condition that a document comes after a position; what is NULL comes last."""
    (column, descending), value = columns[0], position[0]
    later, values = "0", list[object]()
    if value is not None:
        later, values = f"{column} {'<' if descending else '>'} ? OR {column} IS NULL", [value]
    if len(columns) > 1:
        rest, ends = _beyond(columns[1:], position[1:])
        later, values = f"{later} OR ({column} IS ? AND {rest})", [*values, value, *ends]
    return f"({later})", values
