"""What became of each scene, and which identities are live, in SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from scenestore.embedded import schema
from scenestore.embedded.live import LiveTables
from scenestore.entry import Identity, Scene, SceneOutcome


class EmbeddedBooks:
    """Implements `scenestore.ports.Books`."""

    def __init__(self, tables: LiveTables) -> None:
        self._tables = tables

    def identities(self, scenes: Sequence[Scene]) -> dict[Scene, list[Identity]]:
        """Live identities of the given (collection, scene) pairs."""
        found: dict[Scene, list[Identity]] = {}
        with self._tables.reading() as db:
            for pair in scenes:
                rows = db.execute(
                    "SELECT body FROM documents WHERE collection = ? AND scene = ? ORDER BY key",
                    pair,
                )
                identities = [Identity.parse(json.loads(body)["identity"]) for (body,) in rows]
                if identities:
                    found[pair] = identities
        return found

    def outcomes_of(self, scenes: Sequence[Scene]) -> dict[Scene, SceneOutcome]:
        """The last outcomes of the given (collection, scene) pairs."""
        found: dict[Scene, SceneOutcome] = {}
        with self._tables.reading() as db:
            for pair in scenes:
                row = db.execute(
                    f"SELECT {', '.join(schema.OUTCOME)} FROM scenes "
                    "WHERE collection = ? AND scene = ?",
                    pair,
                ).fetchone()
                if row is not None:
                    found[pair] = SceneOutcome(*row)
        return found

    def outcomes(self, collection: str | None) -> Iterator[SceneOutcome]:
        """The last outcome of every scene (deleted ones left out), by collection and scene."""
        last = ("", "")
        while True:
            with self._tables.reading() as db:
                rows = db.execute(
                    f"SELECT {', '.join(schema.OUTCOME)} FROM scenes "
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
        with self._tables.reading() as db:
            rows = db.execute(
                "SELECT status, count(*) FROM scenes WHERE status != 'deleted' GROUP BY status"
            )
            counts.update(rows.fetchall())
        return counts
