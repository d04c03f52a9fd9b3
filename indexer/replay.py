"""Replay: what a generation's batches amount to, read one after the other, in bounded memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scenestore import keys as key_space
from scenestore.batch import Batch
from scenestore.entry import Identity, Kind, Scene, SceneOutcome

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


@dataclass(frozen=True)
class Remainder:
    """What of a batch no newer one has replaced."""

    rows: dict[Kind, NDArray[np.int64]]
    """By kind the rows of the live entries, ascending."""
    outcomes: list[SceneOutcome]
    tombstones: list[Identity]


class Replay:
    """The newest write of every entry and scene, in a database that vanishes when closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)  # a temporary file
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    def add(self, batch: Batch) -> None:
        """Take over a batch; the order of batches does not matter."""
        rows: list[tuple[str, int, Kind | None, int | None]] = []
        for kind in batch.rows:
            pairs = zip(batch.ids(kind), batch.keys(kind).tolist(), strict=True)
            rows += [(id, batch.ordinal, kind, key) for id, key in pairs]
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

    def remainder(self, batch: Batch) -> Remainder:
        """What of a batch that was added is the newest of what was added."""
        rows = {}
        first = key_space.first_key(batch.ordinal)
        for kind in batch.rows:
            found = self._database.execute(
                "SELECT key FROM entries WHERE kind = ? AND key BETWEEN ? AND ? ORDER BY key",
                (kind, first, first + key_space.MAX_ROWS - 1),
            )
            keys = np.array([key for (key,) in found], np.int64)
            rows[kind] = keys - batch.keys(kind)[0]
        return Remainder(
            rows,
            [one for one in batch.outcomes if self._is_newest("scenes", one.id, batch)],
            [one for one in batch.tombstones if self._is_newest("entries", one.id, batch)],
        )

    def holds(self, id: str) -> bool:
        """Whether an entry is live."""
        found = self._database.execute(
            "SELECT 1 FROM entries WHERE id = ? AND kind NOT NULL", (id,)
        )
        return found.fetchone() is not None

    def _is_newest(self, table: str, id: str, batch: Batch) -> bool:
        found = self._database.execute(f"SELECT ordinal FROM {table} WHERE id = ?", (id,))
        return bool(found.fetchone() == (batch.ordinal,))

    def live(self, kind: Kind) -> Iterator[LiveEntry]:
        """Every live entry of a kind, keys ascending."""
        return iter(
            self._database.execute(
                "SELECT key, id FROM entries WHERE kind = ? ORDER BY key", (kind,)
            )
        )

    def indexed(self) -> Iterator[Scene]:
        """Collection and name of every scene that can be found, in order."""
        return iter(
            self._database.execute(
                "SELECT collection, scene FROM scenes WHERE status = 'indexed' "
                "ORDER BY collection, scene"
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
