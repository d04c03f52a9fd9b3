"""Replay: what a generation's batches amount to, read one after the other, in bounded memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from scenestore.batch import Batch
from scenestore.entry import Kind

LiveEntry = tuple[int, str]
"""Key and id."""
SceneState = tuple[str, str, str, str]
"""Collection, scene, status, fingerprint."""

_SCHEMA = """
CREATE TABLE entries (id TEXT PRIMARY KEY, ordinal INTEGER, kind TEXT, key INTEGER) WITHOUT ROWID;
CREATE INDEX by_key ON entries (kind, key);
CREATE TABLE scenes (
    id TEXT PRIMARY KEY, ordinal INTEGER, collection TEXT, scene TEXT, status TEXT, fingerprint TEXT
) WITHOUT ROWID;
CREATE INDEX by_name ON scenes (collection, scene, status, fingerprint);
"""


class Replay:
    """The newest write of every entry and scene, in a database that vanishes when closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # a temporary file
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def add(self, batch: Batch) -> None:
        """Take over a batch; the order of batches does not matter."""
        rows: list[tuple[str, int, Kind | None, int | None]] = []
        for kind in batch.rows:
            pairs = zip(batch.entries(kind), batch.keys(kind).tolist(), strict=True)
            rows += [(entry.identity.id, batch.ordinal, kind, key) for entry, key in pairs]
        rows += [(identity.id, batch.ordinal, None, None) for identity in batch.tombstones]
        scenes = [
            (one.id, batch.ordinal, one.collection, one.scene, one.status, one.fingerprint)
            for one in batch.outcomes
        ]
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO entries VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "ordinal = excluded.ordinal, kind = excluded.kind, key = excluded.key "
            "WHERE excluded.ordinal > ordinal",
            rows,
        )
        self._database.executemany(
            "INSERT INTO scenes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "ordinal = excluded.ordinal, status = excluded.status, "
            "fingerprint = excluded.fingerprint WHERE excluded.ordinal > ordinal",
            scenes,
        )
        self._database.execute("COMMIT")

    def live(self, kind: Kind) -> Iterator[LiveEntry]:
        """Every live entry of a kind, keys ascending."""
        return iter(
            self._database.execute(
                "SELECT key, id FROM entries WHERE kind = ? ORDER BY key", (kind,)
            )
        )

    def scenes(self) -> Iterator[SceneState]:
        """Every scene that is not deleted, in order."""
        return iter(
            self._database.execute(
                "SELECT collection, scene, status, fingerprint FROM scenes "
                "WHERE status != 'deleted' ORDER BY collection, scene"
            )
        )
