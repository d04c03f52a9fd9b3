"""The ledger in SQLite: one row a document, compare-and-set on its version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scenestore.embedded.database import Database
from scenestore.embedded.pages import rows_among
from scenestore.errors import ConflictError
from scenestore.ports import Record


class EmbeddedLedger:
    """Implements `scenestore.ports.Ledger`."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        with self._database.writing() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS ledger "
                "(name TEXT PRIMARY KEY, version INTEGER NOT NULL, value TEXT NOT NULL)"
            )

    def read(self, name: str) -> Record | None:
        """The document, as of now, or None."""
        with self._database.reading() as db:
            row = db.execute("SELECT value, version FROM ledger WHERE name = ?", (name,)).fetchone()
        return Record(json.loads(row[0]), row[1]) if row else None

    def read_many(self, names: Sequence[str]) -> dict[str, Record]:
        """Those of the documents that there are, by name, as of now."""
        asked = "SELECT name, value, version FROM ledger WHERE name IN ({values})"
        with self._database.reading() as db:
            rows = rows_among(db, asked, names)
        return {name: Record(json.loads(value), version) for name, value, version in rows}

    def write(self, name: str, value: Mapping[str, Any], version: Any) -> Any:
        """Replace the document if it still has `version` (None: if there is none)."""
        text = json.dumps(value)
        with self._database.writing() as db:
            if version is None:
                changed = db.execute(
                    "INSERT INTO ledger VALUES (?, 1, ?) ON CONFLICT DO NOTHING", (name, text)
                )
            else:
                changed = db.execute(
                    "UPDATE ledger SET value = ?, version = version + 1 "
                    "WHERE name = ? AND version = ?",
                    (text, name, version),
                )
        if not changed.rowcount:
            raise ConflictError(f"{name} was changed by another writer; read it again")
        return 1 if version is None else version + 1

    def delete(self, name: str) -> None:
        """Remove the document; nothing happens when there is none."""
        with self._database.writing() as db:
            db.execute("DELETE FROM ledger WHERE name = ?", (name,))

    def names(self, prefix: str) -> list[str]:
        """The names that start with `prefix`, sorted."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT name FROM ledger WHERE substr(name, 1, ?) = ? ORDER BY name",
                (len(prefix), prefix),
            )
            return [name for (name,) in rows]

    def close(self) -> None:
        """Give back the file."""
        self._database.close()
