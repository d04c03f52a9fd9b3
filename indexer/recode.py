"""Recode: what is left of a batch, with the cells and codes of another bundle of its encoder."""

from __future__ import annotations

from dataclasses import replace

from indexer.coding import coded
from indexer.replay import Remainder
from scenestore.batch import Batch, BatchContent, CodedEntries
from scenestore.entry import Entry, Kind
from scenestore.generation import Generation


class Recoding:
    """Makes batches of a new generation from the stored vectors of an old one's.

    Vectors and thumbnails are copied; what newer batches replaced is left behind.
    """

    def __init__(self, old: Generation, new: Generation) -> None:
        """Raises BundleError when the new bundle is for another encoder."""
        new.bundle.check_encoder(old.bundle.encoder)
        self._new = new

    def __call__(self, batch: Batch, left: Remainder, plan: str) -> BatchContent:
        """What the new generation is to hold of a batch."""
        live: dict[Kind, list[Entry]] = {}
        for kind, rows in left.rows.items():
            entries = batch.entries(kind)
            live[kind] = [entries[row] for row in rows.tolist()]
        places = sorted(
            {
                entry.thumbnail
                for entries in live.values()
                for entry in entries
                if entry.thumbnail is not None
            }
        )
        moved = {place: number for number, place in enumerate(places)}
        return BatchContent(
            ordinal=self._new.log.claim(),
            plan=plan,
            bundle=self._new.bundle.digest,
            parts={
                kind: self._coded(batch, kind, left, [_moved(entry, moved) for entry in entries])
                for kind, entries in live.items()
                if entries
            },
            outcomes=left.outcomes,
            tombstones=left.tombstones,
            thumbnails=batch.thumbnails(places),
        )

    def _coded(
        self, batch: Batch, kind: Kind, left: Remainder, entries: list[Entry]
    ) -> CodedEntries:
        vectors = batch.segment(kind).vectors(left.rows[kind])  # rows lie in their order
        return coded(self._new.bundle, kind, entries, vectors)


def _moved(entry: Entry, moved: dict[int, int]) -> Entry:
    """The entry with the new place of its thumbnail."""
    return entry if entry.thumbnail is None else replace(entry, thumbnail=moved[entry.thumbnail])
