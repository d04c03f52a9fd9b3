"""Pages of a listing in SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from scenestore.embedded.expressions import Clause
from scenestore.expression import Subject
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
    joins = ""
    columns: list[tuple[str, bool]] = []
    for place, one in enumerate(order):
        column = one.subject.name
        if one.subject.is_property:
            column = f"value_{place}"
            _lay_out(db, place, one.subject)
            joins += f" LEFT JOIN order_{place} ON key_{place} = key"
        columns.append((column, one.descending))
    columns += _TIES
    condition, bound = selected
    names = ", ".join(column for column, _ in columns)
    sort = ", ".join(f"{name} {'DESC' if down else 'ASC'} NULLS LAST" for name, down in columns)
    rows: list[list[Any]] = []
    for run, ends in _runs(columns, after):
        rows += db.execute(
            f"SELECT body, {names} FROM documents{joins} WHERE {condition} AND {run} "
            f"ORDER BY {sort} LIMIT ?",
            [*bound, *ends, size - len(rows)],
        )
        if len(rows) == size:
            break
    return [
        Listed(position[-1], entry_from_row(json.loads(body)), tuple(position))
        for body, *position in rows
    ]


def _lay_out(db: sqlite3.Connection, place: int, subject: Subject) -> None:
    """Put a property's values by key into a table of this connection alone.

    Joined with a subquery instead, SQLite reads all of it for every document.
    """
    db.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS order_{place} "
        f"(key_{place} INTEGER PRIMARY KEY, value_{place})"
    )
    db.execute(f"DELETE FROM order_{place}")
    db.execute(
        f"INSERT INTO order_{place} "
        "SELECT key, value FROM properties WHERE name = ? AND typeof(value) = ?",
        (subject.name, _TYPES[subject.type]),
    )


def _runs(columns: Sequence[tuple[str, bool]], after: Position | None) -> Iterator[Clause]:
    """Conditions that hold for the rest of a listing, one part after the other.

    First what the first column is known of, by a range that an index begins at; then the others.
    """
    (column, descending), *_ = columns
    beyond, ends = ("1", []) if after is None else _beyond(columns, after)
    if after is None:
        yield f"{column} NOT NULL", []
    elif after[0] is not None:
        yield f"{column} {'<' if descending else '>'}= ? AND {beyond}", [after[0], *ends]
    if (column, False) not in _TIES:
        yield f"{column} IS NULL AND {beyond}", ends


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
