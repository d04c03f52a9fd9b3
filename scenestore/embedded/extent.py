"""What documents cover, in SQLite."""

from __future__ import annotations

import sqlite3

from scenestore.embedded.expressions import Clause
from scenestore.extent import MOST_COLLECTIONS, Extent
from scenestore.filters import Box


def extents(db: sqlite3.Connection, selected: Clause) -> dict[str, Extent]:
    """Of the documents that a condition selects, by collection."""
    condition, values = selected
    rows = db.execute(
        "SELECT collection, min(west), min(south), max(east), max(north), min(datetime), "
        f"max(datetime) FROM documents WHERE {condition} "
        "GROUP BY collection ORDER BY collection LIMIT ?",
        [*values, MOST_COLLECTIONS],
    )
    return {
        name: Extent(None if None in edges else Box(*edges), first, last)
        for name, *edges, first, last in rows
    }
