"""The tables that searches read, in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenestore.embedded import schema
from scenestore.embedded.database import Database
from scenestore.embedded.expressions import instant


class LiveTables:
    """One generation's live tables, opened once for all that read and write them."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, _with_instants)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection to tables of this version; StoreError where they are of another."""
        with self.database.reading() as db:
            schema.check(db)
            yield db


def _with_instants(db: sqlite3.Connection) -> None:
    db.create_function("instant", 1, instant, deterministic=True)
