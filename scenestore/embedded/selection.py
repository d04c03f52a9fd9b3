"""What a listing or a count is of: the documents that pass a filter, as one condition in SQL."""

from __future__ import annotations

import json
import sqlite3

from scenestore.embedded import places, sql
from scenestore.embedded.expressions import Clause
from scenestore.entry import Kind
from scenestore.expression import Meets
from scenestore.filters import Box, Filter
from scenestore.listing import Unit


def selected(db: sqlite3.Connection, kind: Kind, where: Filter, unit: Unit) -> Clause:
    """The condition that a document is of a live entry, or of a scene's first, and passes."""

    def located(place: Box | str) -> list[int]:
        found: list[int] = places.located(db, kind, place).tolist()
        return found

    text, values = sql.where_clause(where, located)
    conditions, values = ["kind = ?", text], [kind, *values]
    if unit == "scene":
        conditions.append("first = 1")
    if where.without_scenes:
        other, scenes = sql.any_scene(where.without_scenes)
        conditions.append(f"NOT {other}")
        values += scenes
    for condition in where.conditions():
        if isinstance(condition, Meets):
            conditions.append("key IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(located(condition.place)))
    return " AND ".join(conditions), values


def count(db: sqlite3.Connection, kind: Kind, where: Filter, unit: Unit) -> int:
    """How many documents that is."""
    condition, values = selected(db, kind, where, unit)
    # Of indices that begin with the kind SQLite knows no better, and takes one that tells it less.
    index = "INDEXED BY by_first" if unit == "scene" and not where else ""
    (found,) = db.execute(
        f"SELECT count(*) FROM documents {index} WHERE {condition}", values
    ).fetchone()
    return int(found)
