"""Documents in SQLite, the sparse search over the segments' memory-mapped postings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenestore import keys as key_space
from scenestore.batch import Batch
from scenestore.embedded.database import Database
from scenestore.embedded.sql import where_clause
from scenestore.entry import Entry, Identity, Kind, SceneOutcome
from scenestore.filters import Filter
from scenestore.ports import Found
from scenestore.reader import SegmentReader
from scenestore.segments import LiveSegments
from scenestore.tables import entry_from_row, entry_row
from sgpd.guide import Guide
from sgpd.scoring import top_places

_SCHEMA = """
CREATE TABLE IF NOT EXISTS {prefix}documents (
    key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ordinal INTEGER NOT NULL, kind TEXT,
    collection TEXT, scene TEXT, body TEXT
);
CREATE INDEX IF NOT EXISTS {prefix}by_kind ON {prefix}documents (kind);
CREATE INDEX IF NOT EXISTS {prefix}by_scene ON {prefix}documents (collection, scene);
CREATE TABLE IF NOT EXISTS {prefix}scenes (
    id TEXT PRIMARY KEY, ordinal INTEGER NOT NULL, collection TEXT NOT NULL, scene TEXT NOT NULL,
    status TEXT NOT NULL, reason TEXT, fingerprint TEXT, stat TEXT, chips INTEGER, captions INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS {prefix}by_name ON {prefix}scenes (collection, scene);
"""
_DOCUMENT = ("key", "id", "ordinal", "kind", "collection", "scene", "body")
_OUTCOME = (
    "collection", "scene", "status", "reason", "fingerprint", "stat", "chips", "captions",
)  # fmt: skip
_NEXT = "next_"
_PAGE = 500
"""Keys a statement is given at once (SQLite takes 999 parameters in its oldest builds)."""


class EmbeddedDocuments:
    """Implements `scenestore.ports.Documents`; a tombstone is a row without kind, key < 0."""

    def __init__(self, path: Path, reader: SegmentReader) -> None:
        self._database = Database(path)
        self._reader = reader
        self._target = ""
        """Prefix of the tables that `write` fills: the live ones, or those begun by `reset`."""
        self._writes = 0
        self._live: dict[Kind, tuple[object, LiveSegments, NDArray[np.bool_]]] = {}

    def create(self) -> None:
        """Make the tables; nothing happens when they are there."""
        self._create_tables("")

    def _create_tables(self, prefix: str) -> None:
        with self._database.writing() as db:
            for statement in _SCHEMA.format(prefix=prefix).split(";"):
                db.execute(statement)

    def write(self, batch: Batch) -> None:
        """Project a batch in one transaction; safe to repeat."""
        rows: list[tuple[object, ...]] = []
        for kind in batch.rows:
            entries = zip(batch.entries(kind), batch.keys(kind).tolist(), strict=True)
            for entry, key in entries:
                who = entry.identity
                body = json.dumps(entry_row(entry), ensure_ascii=False)
                rows.append((key, who.id, batch.ordinal, kind, who.collection, who.scene, body))
        first_key = key_space.first_key(batch.ordinal)
        for row, who in enumerate(batch.tombstones):
            rows.append((-first_key - row - 1, who.id, batch.ordinal, None, None, None, None))
        scenes = [
            (outcome.id, batch.ordinal, *(getattr(outcome, name) for name in _OUTCOME))
            for outcome in batch.outcomes
        ]
        with self._database.writing() as db:
            db.executemany(_upsert(f"{self._target}documents", _DOCUMENT), rows)
            db.executemany(_upsert(f"{self._target}scenes", ("id", "ordinal", *_OUTCOME)), scenes)
        self._writes += 1

    def refresh(self) -> None:
        """Nothing to do: a committed row is visible."""

    def guide(
        self,
        kind: Kind,
        terms: NDArray[np.uint32],
        weights: NDArray[np.float32],
        size: int,
        where: Filter,
    ) -> Guide:
        """The `size` best live entries by sparse score that pass the filter, by (-score, key)."""
        segments = self._reader.segments(kind)
        places, scores = segments.touched(terms, weights)
        live = self._live_places(kind, segments)[places]
        keys, scores = segments.keys_at(places[live]), scores[live]
        if where:
            kept = self._best_passing(kind, keys, scores, size, where)
        else:
            kept = top_places(keys, scores, size)
        matches = self.count(kind, where) if where.narrows else None
        return Guide(keys[kept], scores[kept], matches)

    def _best_passing(
        self,
        kind: Kind,
        keys: NDArray[np.int64],
        scores: NDArray[np.float32],
        size: int,
        where: Filter,
    ) -> NDArray[np.int64]:
        """Where the best keys that pass the filter stand, asked for page by page."""
        ranked = top_places(keys, scores, len(keys))
        kept = [np.empty(0, np.int64)]
        found = start = 0
        while found < size and start < len(ranked):
            page = ranked[start : start + 2 * size]
            passing = [key for key, _ in self._rows_of(kind, keys[page].tolist(), where, "NULL")]
            kept.append(page[np.isin(keys[page], passing)])
            found += len(kept[-1])
            start += len(page)
        return np.concatenate(kept)[:size]

    def _live_places(self, kind: Kind, segments: LiveSegments) -> NDArray[np.bool_]:
        """Which places of the segments hold live entries; read again after any write."""
        with self._database.reading() as db:
            version = (self._writes, db.execute("PRAGMA data_version").fetchone()[0])
            known = self._live.get(kind)
            if known is not None and known[0] == version and known[1] is segments:
                return known[2]
            rows = db.execute("SELECT key FROM documents WHERE kind = ?", (kind,)).fetchall()
        places = segments.locate(np.fromiter((key for (key,) in rows), np.int64, len(rows)))
        live = np.zeros(len(segments), np.bool_)
        live[places[places >= 0]] = True
        self._live[kind] = version, segments, live
        return live

    def _rows_of(
        self, kind: Kind, keys: Sequence[int], where: Filter, column: str
    ) -> Iterator[tuple[int, str]]:
        condition, values = where_clause(where)
        for start in range(0, len(keys), _PAGE):
            page = list(keys[start : start + _PAGE])
            marks = ",".join("?" * len(page))
            with self._database.reading() as db:
                yield from db.execute(
                    f"SELECT key, {column} FROM documents "
                    f"WHERE key IN ({marks}) AND kind = ? AND {condition}",
                    (*page, kind, *values),
                ).fetchall()

    def count(self, kind: Kind, where: Filter) -> int:
        """How many live entries pass the filter."""
        condition, values = where_clause(where)
        with self._database.reading() as db:
            row = db.execute(
                f"SELECT count(*) FROM documents WHERE kind = ? AND {condition}", (kind, *values)
            ).fetchone()
        return int(row[0])

    def keys(self, kind: Kind, where: Filter, limit: int) -> NDArray[np.int64]:
        """Keys of live entries that pass the filter, ascending, at most `limit` of them."""
        condition, values = where_clause(where)
        with self._database.reading() as db:
            rows = db.execute(
                f"SELECT key FROM documents WHERE kind = ? AND {condition} ORDER BY key LIMIT ?",
                (kind, *values, limit),
            ).fetchall()
        return np.asarray([key for (key,) in rows], np.int64)

    def fetch(self, kind: Kind, keys: Sequence[int], where: Filter) -> dict[int, Entry]:
        """The entries of those keys that are live and pass the filter."""
        rows = self._rows_of(kind, keys, where, "body")
        return {key: entry_from_row(json.loads(body)) for key, body in rows}

    def lookup(self, id: str) -> Found | None:
        """The live entry of an identity's id, of any kind."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT key, body FROM documents WHERE id = ? AND kind NOT NULL", (id,)
            ).fetchone()
        return Found(row[0], entry_from_row(json.loads(row[1]))) if row else None

    def live(self, kind: Kind) -> Iterator[tuple[int, str]]:
        """(key, id) of every live entry, keys ascending, page by page."""
        last = -1
        while True:
            with self._database.reading() as db:
                rows = db.execute(
                    "SELECT key, id FROM documents WHERE key > ? AND kind = ? "
                    "ORDER BY key LIMIT 10000",
                    (last, kind),
                ).fetchall()
            if not rows:
                return
            yield from rows
            last = rows[-1][0]

    def identities(
        self, scenes: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], list[Identity]]:
        """Live identities of the given (collection, scene) pairs."""
        found: dict[tuple[str, str], list[Identity]] = {}
        with self._database.reading() as db:
            for pair in scenes:
                rows = db.execute(
                    "SELECT body FROM documents WHERE collection = ? AND scene = ? ORDER BY key",
                    pair,
                )
                identities = [Identity.parse(json.loads(body)["identity"]) for (body,) in rows]
                if identities:
                    found[pair] = identities
        return found

    def outcomes(self, collection: str | None) -> Iterator[SceneOutcome]:
        """The last outcome of every scene (deleted ones left out), by collection and scene."""
        last = ("", "")
        while True:
            with self._database.reading() as db:
                rows = db.execute(
                    f"SELECT {', '.join(_OUTCOME)} FROM scenes "
                    "WHERE (collection, scene) > (?, ?) AND status != 'deleted' "
                    "AND collection = coalesce(?, collection) "
                    "ORDER BY collection, scene LIMIT 10000",
                    (*last, collection),
                ).fetchall()
            if not rows:
                return
            yield from (SceneOutcome(*row) for row in rows)
            last = rows[-1][:2]

    def outcome_counts(self) -> dict[str, int]:
        """Scenes by status: indexed, skipped, failed."""
        counts = dict.fromkeys(("indexed", "skipped", "failed"), 0)
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT status, count(*) FROM scenes WHERE status != 'deleted' GROUP BY status"
            )
            counts.update(rows.fetchall())
        return counts

    def reset(self) -> None:
        """Begin an empty projection beside the live one."""
        self._drop_tables(_NEXT)
        self._create_tables(_NEXT)
        self._target = _NEXT

    def swap(self) -> None:
        """Put the projection begun by `reset` in the live one's place, in one transaction."""
        with self._database.writing() as db:
            for table in ("documents", "scenes"):
                db.execute(f"DROP TABLE {table}")
                db.execute(f"ALTER TABLE {_NEXT}{table} RENAME TO {table}")
            for index in ("by_kind", "by_scene", "by_name"):
                db.execute(f"DROP INDEX {_NEXT}{index}")
            for statement in _SCHEMA.format(prefix="").split(";"):
                db.execute(statement)
        self._target = ""
        self._writes += 1

    def lead(self) -> None:
        """Nothing to do: nobody else names these tables."""

    def drop(self) -> None:
        """Remove everything of this generation."""
        self._drop_tables("")
        self._drop_tables(_NEXT)

    def _drop_tables(self, prefix: str) -> None:
        with self._database.writing() as db:
            db.execute(f"DROP TABLE IF EXISTS {prefix}documents")
            db.execute(f"DROP TABLE IF EXISTS {prefix}scenes")

    def close(self) -> None:
        """Give back the file."""
        self._database.close()


def _upsert(table: str, columns: Sequence[str]) -> str:
    """Insert a row, or replace the one there if it is not of a newer batch."""
    assignments = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({','.join('?' * len(columns))}) "
        f"ON CONFLICT (id) DO UPDATE SET {assignments} WHERE excluded.ordinal >= {table}.ordinal"
    )
