"""Documents in SQLite, the sparse search over the segments' memory-mapped postings."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenestore import keys as key_space
from scenestore.aggregation import Counts, Grouping
from scenestore.batch import Batch
from scenestore.embedded import aggregation, extent, listing, places, schema, selection, sql
from scenestore.embedded.database import Database
from scenestore.embedded.expressions import instant
from scenestore.embedded.passing import Passing
from scenestore.entry import KINDS, Entry, Identity, Kind, SceneOutcome
from scenestore.errors import StoreError
from scenestore.expression import Meets
from scenestore.extent import Extent
from scenestore.filters import ANY, Box, Filter
from scenestore.listing import Listed, Order, Position, Unit, check, firsts
from scenestore.ports import Found
from scenestore.reader import SegmentReader
from scenestore.tables import entry_from_row, entry_row
from sgpd.guide import Guide
from sgpd.scoring import top_places

_NEXT = "next_"
_PAGE = 500
"""Keys a statement is given at once (SQLite takes 999 parameters in its oldest builds)."""
_FILTERS = 16
"""Filters whose keys are kept: 1.6 MB each at most for 200,000 entries."""


class EmbeddedDocuments:
    """Implements `scenestore.ports.Documents`; a tombstone is a row without kind, key < 0.

    Everything that filters goes through `_passing`: the keys that pass a filter, found once in SQL
    and kept until something is written.
    """

    def __init__(self, path: Path, reader: SegmentReader) -> None:
        self._database = Database(path)
        with self._database.reading() as db:
            db.create_function("instant", 1, instant, deterministic=True)
        self._reader = reader
        self._target = ""
        """Prefix of the tables that `write` fills: the live ones, or those begun by `reset`."""
        self._state: object = None
        self._kept: OrderedDict[tuple[Kind, Filter], Passing] = OrderedDict()

    def create(self) -> None:
        """Make the tables; nothing happens when they are there."""
        with self._database.writing() as db:
            schema.check(db)
            self._check_bundle(db)
            schema.make(db, "")
            schema.stamp(db, "", self._reader.bundle.digest)

    def check(self) -> None:
        """Raise StoreError, with both digests, when the tables were made with another bundle."""
        with self._database.reading() as db:
            self._check_bundle(db)

    def _check_bundle(self, db: sqlite3.Connection) -> None:
        ours = self._reader.bundle.digest
        for found in schema.bundles(db):
            if found != ours:
                raise StoreError(
                    f"{self._database.path} was made with bundle {found}, not {ours}; use that "
                    "bundle, or run `scenesift rebuild`"
                )

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection to tables of this version."""
        with self._database.reading() as db:
            schema.check(db)
            yield db

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
        found: list[str] = []
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            rows = db.execute(
                f"SELECT id FROM {self._target}scenes WHERE ordinal > ? "
                f"AND id IN ({','.join('?' * len(page))})",
                (ordinal, *page),
            )
            found += [id for (id,) in rows]
        return found

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

    def tolerant(self, missing: list[str]) -> EmbeddedDocuments:
        """The same: a file is there or it is not."""
        return self

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
        passing = self._passing(kind, where)
        kept = passing.mask(segments)[places]
        keys, scores = segments.keys_at(places[kept]), scores[kept]
        if where.without_scenes:
            others = ~np.isin(keys, self._left_out(kind, where))
            keys, scores = keys[others], scores[others]
        best = top_places(keys, scores, size)
        matches = self.count(kind, where) if where.narrows else None
        return Guide(keys[best], scores[best], matches)

    def _passing(self, kind: Kind, where: Filter) -> Passing:
        """The live entries that pass all conditions but `without_scenes`, as of now.

        Every `--like` leaves out another scene: the entries of a few scenes are soon found.
        """
        kept = replace(where, without_scenes=())
        with self._reading() as db:
            state = self._database.state()
            if state != self._state:
                self._state = state
                self._kept.clear()
            passing = self._kept.get((kind, kept))
            if passing is None:
                passing = Passing(_keys_passing(db, kind, kept))
                self._kept[kind, kept] = passing
                if len(self._kept) > _FILTERS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end((kind, kept))
        return passing

    def _left_out(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """Keys of the live entries of `without_scenes`."""
        with self._reading() as db:
            return _keys(db, kind, *sql.any_scene(where.without_scenes))

    def count(self, kind: Kind, where: Filter, unit: Unit = "entry") -> int:
        """How many live entries, or scenes that have any, pass the filter."""
        if unit == "entry":
            return len(self._passing_keys(kind, where))
        with self._reading() as db:
            return selection.count(db, kind, where, unit)

    def listing(
        self,
        kind: Kind,
        where: Filter,
        order: Sequence[Order],
        size: int,
        after: Position | None,
        unit: Unit,
    ) -> list[Listed]:
        """The next `size` live entries, or scenes, that pass the filter; fewer are the last."""
        check(order, after, unit)
        with self._reading() as db:
            return listing.page(db, selection.selected(db, kind, where, unit), order, size, after)

    def aggregate(self, kind: Kind, where: Filter, grouping: Grouping, unit: Unit) -> Counts:
        """How many live entries, or scenes, that pass the filter are of each group."""
        with self._reading() as db:
            return aggregation.counts(db, selection.selected(db, kind, where, unit), grouping)

    def extent(self, kind: Kind, where: Filter) -> Extent:
        """What the live entries that pass the filter cover."""
        with self._reading() as db:
            return extent.extent(db, selection.selected(db, kind, where, "entry"))

    def counts_by_cell(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """How many live entries pass the filter in each cell, [C]."""
        segments, passing = self._reader.segments(kind), self._passing(kind, where)
        counts = passing.counts(segments)
        if where.without_scenes:
            gone = self._left_out(kind, where)
            counts = counts - Passing(gone[passing.holds(gone)]).counts(segments)
        return counts

    def keys(self, kind: Kind, where: Filter, limit: int) -> NDArray[np.int64]:
        """Keys of live entries that pass the filter, ascending, at most `limit` of them."""
        return self._passing_keys(kind, where)[:limit].copy()

    def _passing_keys(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        keys = self._passing(kind, where).keys
        if not where.without_scenes:
            return keys
        return np.setdiff1d(keys, self._left_out(kind, where), assume_unique=True)

    def alive(self, kind: Kind, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys live entries carry, same shape."""
        return self._passing(kind, ANY).holds(keys)

    def fetch(self, kind: Kind, keys: Sequence[int], where: Filter) -> dict[int, Entry]:
        """The entries of those keys that are live and pass the filter."""
        if where:
            keys = self._passing(kind, where).among(keys)
        left_out = set(self._left_out(kind, where).tolist()) if where.without_scenes else set()
        found: dict[int, Entry] = {}
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            marks = ",".join("?" * len(page))
            with self._reading() as db:
                rows = db.execute(
                    f"SELECT key, body FROM documents WHERE kind = ? AND key IN ({marks})",
                    (kind, *page),
                ).fetchall()
            found.update(
                (key, entry_from_row(json.loads(body))) for key, body in rows if key not in left_out
            )
        return found

    def lookup(self, id: str) -> Found | None:
        """The live entry of an identity's id, of any kind."""
        with self._reading() as db:
            row = db.execute(
                "SELECT key, body FROM documents WHERE id = ? AND kind NOT NULL", (id,)
            ).fetchone()
        return Found(row[0], entry_from_row(json.loads(row[1]))) if row else None

    def live(self, kind: Kind) -> Iterator[tuple[int, str]]:
        """(key, id) of every live entry, keys ascending, page by page."""
        last = -1
        while True:
            with self._reading() as db:
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
        with self._reading() as db:
            for pair in scenes:
                rows = db.execute(
                    "SELECT body FROM documents WHERE collection = ? AND scene = ? ORDER BY key",
                    pair,
                )
                identities = [Identity.parse(json.loads(body)["identity"]) for (body,) in rows]
                if identities:
                    found[pair] = identities
        return found

    def outcomes_of(self, scenes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], SceneOutcome]:
        """The last outcomes of the given (collection, scene) pairs."""
        found: dict[tuple[str, str], SceneOutcome] = {}
        with self._reading() as db:
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
            with self._reading() as db:
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
        with self._reading() as db:
            rows = db.execute(
                "SELECT status, count(*) FROM scenes WHERE status != 'deleted' GROUP BY status"
            )
            counts.update(rows.fetchall())
        return counts

    def reset(self) -> None:
        """Begin an empty projection beside the live one."""
        with self._database.writing() as db:
            schema.drop(db, _NEXT)
            schema.make(db, _NEXT)
            schema.stamp(db, _NEXT, self._reader.bundle.digest)
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


def _keys_passing(db: sqlite3.Connection, kind: Kind, where: Filter) -> NDArray[np.int64]:
    """Keys of the live entries that pass all conditions but `without_scenes`, ascending."""
    met = [each.place for each in where.conditions() if isinstance(each, Meets)]
    located = [places.located(db, kind, place) for place in met]
    condition, values = sql.where_clause(
        where, lambda place: places.located(db, kind, place).tolist()
    )
    if condition != "1" or not located:
        near, corners = places.near(kind, [place for place in met if isinstance(place, Box)])
        located.append(_keys(db, kind, f"{near} AND {condition}", (*corners, *values)))
    return reduce(partial(np.intersect1d, assume_unique=True), located)


def _keys(
    db: sqlite3.Connection, kind: Kind, condition: str, values: Sequence[object]
) -> NDArray[np.int64]:
    """Keys of the live entries that a condition holds for, ascending."""
    rows = db.execute(
        f"SELECT key FROM documents WHERE kind = ? AND {condition}", (kind, *values)
    ).fetchall()
    return np.sort(np.fromiter((key for (key,) in rows), np.int64, len(rows)))
