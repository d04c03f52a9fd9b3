"""What documents cover, in SQLite."""

from __future__ import annotations

import sqlite3

from scenestore.embedded.expressions import Clause
from scenestore.extent import Extent
from scenestore.filters import Box


def extent(db: sqlite3.Connection, selected: Clause) -> Extent:
    """Of the documents that a condition selects."""
    condition, values = selected
    *edges, first, last = db.execute(
        "SELECT min(west), min(south), max(east), max(north), min(datetime), max(datetime) "
        f"FROM documents WHERE {condition}",
        values,
    ).fetchone()
    return Extent(None if None in edges else Box(*edges), first, last)
