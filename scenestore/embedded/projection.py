"""The tables of one generation: made, filled from batches, replaced, dropped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from scenestore import keys as key_space
from scenestore.batch import Batch
from scenestore.embedded import schema, sql
from scenestore.embedded.live import LiveTables
from scenestore.embedded.pages import rows_among
from scenestore.entry import KINDS, Kind, SceneOutcome
from scenestore.errors import StoreError
from scenestore.listing import firsts
from scenestore.tables import entry_from_row, entry_row

_NEXT = "next_"


class EmbeddedProjection:
    """Implements `scenestore.ports.Projection`; a tombstone is a row without kind, key < 0."""

    def __init__(self, tables: LiveTables, bundle: str) -> None:
        """`bundle` is the digest of what the documents are made with."""
        self._database = tables.database
        self._bundle = bundle
        self._target = ""
        """Prefix of the tables that `write` fills: the live ones, or those begun by `reset`."""

    def create(self) -> None:
        """Make the tables; nothing happens when they are there."""
        with self._database.writing() as db:
            schema.check(db)
            self._check_bundle(db)
            schema.make(db, "")
            schema.stamp(db, "", self._bundle)

    def check(self) -> None:
        """Raise StoreError, with both digests, when the tables were made with another bundle."""
        with self._database.reading() as db:
            self._check_bundle(db)

    def _check_bundle(self, db: sqlite3.Connection) -> None:
        for found in schema.bundles(db):
            if found != self._bundle:
                raise StoreError(
                    f"{self._database.path} was made with bundle {found}, not {self._bundle}; "
                    "use that bundle, or run `scenesift rebuild`"
                )

    def write(self, batch: Batch) -> list[SceneOutcome]:
        """Project a batch in one transaction; returns the outcomes that met a higher ordinal."""
        rows: list[tuple[object, ...]] = []
        properties: list[tuple[str, str | float, int]] = []
        for kind in batch.rows:
            entries = batch.entries(kind)
            leading = firsts(entries)
            for entry, key in zip(entries, batch.keys(kind).tolist(), strict=True):
                who, known = entry.identity, entry.metadata
                body = json.dumps(entry_row(entry), ensure_ascii=False)
                row = (key, who.id, batch.ordinal, kind, who.collection, who.scene)
                rows.append((*row, who in leading, body, *sql.filtered(known)))
                properties += [(*pair, key) for pair in sql.searched(known.properties)]
        first_key = key_space.first_key(batch.ordinal)
        nothing = (None,) * (len(schema.DOCUMENT) - 3)
        for number, who in enumerate(batch.tombstones):
            rows.append((-first_key - number - 1, who.id, batch.ordinal, *nothing))
        outcomes = {outcome.id: outcome for outcome in batch.outcomes}
        scenes = [
            (id, batch.ordinal, *(getattr(outcome, name) for name in schema.OUTCOME))
            for id, outcome in outcomes.items()
        ]
        with self._database.writing() as db:
            if not self._target:
                schema.check(db)
            self._write(db, batch.ordinal, rows, properties)
            overtaken = self._newer(db, batch.ordinal, list(outcomes))
            db.executemany(
                schema.upsert(f"{self._target}scenes", ("id", "ordinal", *schema.OUTCOME)), scenes
            )
        return [outcomes[id] for id in overtaken]

    def _newer(self, db: sqlite3.Connection, ordinal: int, ids: Sequence[str]) -> list[str]:
        """Those of the scenes' ids whose outcome is of a higher ordinal."""
        asked = f"SELECT id FROM {self._target}scenes WHERE id IN ({{values}}) AND ordinal > ?"
        return [id for (id,) in rows_among(db, asked, ids, [ordinal])]

    def _write(
        self,
        db: sqlite3.Connection,
        ordinal: int,
        rows: Sequence[tuple[object, ...]],
        properties: Sequence[tuple[str, str | float, int]],
    ) -> None:
        """Put documents in the place of older ones, and what filters need of them."""
        documents = f"{self._target}documents"
        for _, id, *_ in rows:
            old = db.execute(
                f"SELECT key, kind, body FROM {documents} "
                "WHERE id = ? AND ordinal <= ? AND kind NOT NULL",
                (id, ordinal),
            ).fetchone()
            if old is not None:
                self._forget(db, *old)
        db.executemany(schema.upsert(documents, schema.DOCUMENT), rows)
        batch = key_space.first_key(ordinal), key_space.first_key(ordinal + 1)
        for kind in KINDS:
            db.execute(
                f"INSERT INTO {self._target}places_{kind} SELECT key, west, east, south, north "
                f"FROM {documents} WHERE key >= ? AND key < ? AND kind = ? AND west NOT NULL",
                (*batch, kind),
            )
        db.executemany(
            f"INSERT INTO {self._target}properties SELECT ?, ?, key FROM {documents} WHERE key = ?",
            properties,
        )

    def _forget(self, db: sqlite3.Connection, key: int, kind: Kind, body: str) -> None:
        """Remove what filters know of a document that is being replaced."""
        db.execute(f"DELETE FROM {self._target}places_{kind} WHERE key = ?", (key,))
        known = entry_from_row(json.loads(body)).metadata.properties
        db.executemany(
            f"DELETE FROM {self._target}properties WHERE name = ? AND value = ? AND key = ?",
            [(*pair, key) for pair in sql.searched(known)],
        )

    def refresh(self) -> None:
        """Nothing to do: a committed row is visible."""

    def reset(self) -> None:
        """Begin an empty projection beside the live one."""
        with self._database.writing() as db:
            schema.drop(db, _NEXT)
            schema.make(db, _NEXT)
            schema.stamp(db, _NEXT, self._bundle)
        self._target = _NEXT

    def swap(self) -> None:
        """Put the projection begun by `reset` in the live one's place, in one transaction."""
        if not self._target:
            raise StoreError("nothing to swap: no rebuild was begun; run `scenesift rebuild`")
        with self._database.writing() as db:
            schema.replace_live(db, _NEXT)
        self._target = ""

    def lead(self) -> None:
        """Nothing to do: nobody else names these tables."""

    def drop(self) -> None:
        """Remove everything of this generation."""
        with self._database.writing() as db:
            schema.drop(db, "")
            schema.drop(db, _NEXT)

    def close(self) -> None:
        """Give back the file."""
        self._database.close()
