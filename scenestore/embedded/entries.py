"""Live entries in SQLite, the sparse search over the segments' memory-mapped postings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scenestore.aggregation import Counts, Grouping
from scenestore.embedded import aggregation, extent, listing, selection
from scenestore.embedded.live import LiveTables
from scenestore.embedded.pages import rows_among
from scenestore.embedded.passing import Passing, PassingEntries
from scenestore.entry import KINDS, Entry, Kind
from scenestore.extent import Extent
from scenestore.filters import ANY, Filter
from scenestore.listing import Listed, Order, Position, Unit, check
from scenestore.ports import Found
from scenestore.reader import SegmentReader
from scenestore.tables import entry_from_row
from sgpd.guide import Guide
from sgpd.scoring import top_places


class EmbeddedEntries:
    """Implements `scenestore.ports.LiveEntries`."""

    def __init__(self, tables: LiveTables, reader: SegmentReader) -> None:
        self._tables = tables
        self._reader = reader
        self._passing = PassingEntries(tables)

    def tolerant(self, missing: list[str]) -> EmbeddedEntries:
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
        passing = self._passing.but_scenes(kind, where)
        kept = passing.mask(segments)[places]
        keys, scores = segments.keys_at(places[kept]), scores[kept]
        if where.without_scenes:
            others = ~np.isin(keys, self._passing.left_out(kind, where))
            keys, scores = keys[others], scores[others]
        best = top_places(keys, scores, size)
        matches = self.count(kind, where) if where.narrows else None
        return Guide(keys[best], scores[best], matches)

    def count(self, kind: Kind, where: Filter, unit: Unit = "entry") -> int:
        """How many live entries, or scenes that have any, pass the filter."""
        if unit == "entry":
            return len(self._passing.keys(kind, where))
        return self._passing.scenes(kind, where)

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
        with self._tables.reading() as db:
            return listing.page(db, selection.selected(db, kind, where, unit), order, size, after)

    def aggregate(self, kind: Kind, where: Filter, grouping: Grouping, unit: Unit) -> Counts:
        """How many live entries, or scenes, that pass the filter are of each group."""
        with self._tables.reading() as db:
            return aggregation.counts(db, selection.selected(db, kind, where, unit), grouping)

    def extents(self, kind: Kind, where: Filter) -> dict[str, Extent]:
        """What the scenes with live entries that pass the filter cover, by collection."""
        with self._tables.reading() as db:
            return extent.extents(db, selection.selected(db, kind, where, "scene"))

    def counts_by_cell(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """How many live entries pass the filter in each cell, [C]."""
        segments, passing = self._reader.segments(kind), self._passing.but_scenes(kind, where)
        counts = passing.counts(segments)
        if where.without_scenes:
            gone = self._passing.left_out(kind, where)
            counts = counts - Passing(gone[passing.holds(gone)]).counts(segments)
        return counts

    def keys(self, kind: Kind, where: Filter, limit: int) -> NDArray[np.int64]:
        """Keys of live entries that pass the filter, ascending, at most `limit` of them."""
        return self._passing.keys(kind, where)[:limit].copy()

    def alive(self, kind: Kind, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys live entries carry, same shape."""
        return self._passing.but_scenes(kind, ANY).holds(keys)

    def fetch(self, kind: Kind, keys: Sequence[int], where: Filter) -> dict[int, Entry]:
        """The entries of those keys that are live and pass the filter."""
        if where:
            keys = self._passing.but_scenes(kind, where).among(keys)
        left_out = (
            set(self._passing.left_out(kind, where).tolist()) if where.without_scenes else set()
        )
        asked = "SELECT key, body FROM documents WHERE key IN ({values}) AND kind = ?"
        with self._tables.reading() as db:
            rows = rows_among(db, asked, keys, [kind])
        return {key: entry_from_row(json.loads(body)) for key, body in rows if key not in left_out}

    def lookup(self, id: str) -> Found | None:
        """The live entry of an identity's id, of any kind, as of now."""
        return self.lookup_all([id]).get(id)

    def lookup_all(self, ids: Sequence[str], kinds: Sequence[Kind] = KINDS) -> dict[str, Found]:
        """Those of the ids that live entries of the kinds have, as of now."""
        asked = "SELECT id, kind, key, body FROM documents WHERE id IN ({values})"
        with self._tables.reading() as db:
            rows = rows_among(db, asked, ids)
        return {
            id: Found(key, entry_from_row(json.loads(body)))
            for id, kind, key, body in rows
            if kind in kinds
        }

    def live(self, kind: Kind) -> Iterator[tuple[int, str]]:
        """(key, id) of every live entry, keys ascending, page by page."""
        last = -1
        while True:
            with self._tables.reading() as db:
                rows = db.execute(
                    "SELECT key, id FROM documents WHERE key > ? AND kind = ? "
                    "ORDER BY key LIMIT 10000",
                    (last, kind),
                ).fetchall()
            if not rows:
                return
            yield from rows
            last = rows[-1][0]
