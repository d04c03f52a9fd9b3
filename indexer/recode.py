"""Recode: a new generation from the stored vectors of an old one, with another bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from indexer.coding import coded
from indexer.progress import Meter, Progress
from indexer.resume import resume
from scenestore.batch import Batch, BatchContent, CodedEntries
from scenestore.entry import Entry, Kind
from scenestore.filters import ANY
from scenestore.generation import Generation

_PAGE = 1_000


def recode(old: Generation, new: Generation, progress: Progress | None = None) -> int:
    """Write what is live in `old` into `new`, batch by batch, with new cells and codes.

    Vectors and thumbnails are copied; tombstones and dead entries are left behind. Begun again
    after a crash, it goes on with the batch that was missing. Returns how many batches there are.
    Raises BundleError when the new bundle is for another encoder.
    """
    new.bundle.check_encoder(old.bundle.encoder)
    new.create()
    resume(new)
    done = {batch.plan for batch in new.log.batches()}
    ordinals = [batch.ordinal for batch in old.log.batches()]
    meter = Meter(len(ordinals), progress)
    for ordinal in ordinals:
        plan = f"{old.log.generation}-{ordinal}"
        if plan not in done:
            batch = old.batch(ordinal)
            batch.verify()
            new.publish(_recoded(old, batch, new, plan))
        meter.add(1)
    new.documents.refresh()
    return len(ordinals)


def _recoded(old: Generation, batch: Batch, new: Generation, plan: str) -> BatchContent:
    live = {kind: _live(old, batch, kind) for kind in batch.rows}
    entries = [entry for found in live.values() for entry in found.values()]
    places = sorted({entry.thumbnail for entry in entries if entry.thumbnail is not None})
    moved = {place: number for number, place in enumerate(places)}
    return BatchContent(
        ordinal=new.log.claim(),
        plan=plan,
        bundle=new.bundle.digest,
        parts={
            kind: _part(batch, kind, found, moved, new) for kind, found in live.items() if found
        },
        outcomes=batch.outcomes,
        thumbnails=[batch.thumbnail(place) for place in places],
    )


def _part(
    batch: Batch, kind: Kind, live: dict[int, Entry], moved: dict[int, int], new: Generation
) -> CodedEntries:
    segment = batch.segment(kind)
    keys = np.fromiter(sorted(live), np.int64, len(live))
    entries = [live[key] for key in keys.tolist()]
    renumbered = [
        entry if entry.thumbnail is None else replace(entry, thumbnail=moved[entry.thumbnail])
        for entry in entries
    ]
    return coded(new.bundle, kind, renumbered, segment.vectors(segment.positions(keys)))


def _live(old: Generation, batch: Batch, kind: Kind) -> dict[int, Entry]:
    """The batch's entries whose documents still carry its keys, by key."""
    keys = batch.keys(kind).tolist()
    live: dict[int, Entry] = {}
    for start in range(0, len(keys), _PAGE):
        live |= old.documents.fetch(kind, keys[start : start + _PAGE], ANY)
    return live
