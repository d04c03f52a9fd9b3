"""Recode: a new generation from the stored vectors of an old one, with another bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.coding import coded
from indexer.progress import Meter, Progress
from indexer.resume import resume
from scenestore.batch import Batch, BatchContent
from scenestore.entry import Entry, Kind
from scenestore.generation import Generation


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
    places = sorted(
        {
            entry.thumbnail
            for entries, _ in live.values()
            for entry in entries
            if entry.thumbnail is not None
        }
    )
    moved = {place: number for number, place in enumerate(places)}
    return BatchContent(
        ordinal=new.log.claim(),
        plan=plan,
        bundle=new.bundle.digest,
        parts={
            kind: coded(new.bundle, kind, [_moved(entry, moved) for entry in entries], vectors)
            for kind, (entries, vectors) in live.items()
            if entries
        },
        outcomes=batch.outcomes,
        thumbnails=[batch.thumbnail(place) for place in places],
    )


def _live(old: Generation, batch: Batch, kind: Kind) -> tuple[list[Entry], NDArray[np.float32]]:
    """The batch's entries whose documents still carry its keys, with their vectors [n, d]."""
    keys = batch.keys(kind)
    alive = old.documents.alive(kind, keys)
    segment = batch.segment(kind)
    entries = [entry for entry, is_live in zip(batch.entries(kind), alive, strict=True) if is_live]
    return entries, segment.vectors(segment.positions(keys[alive]))


def _moved(entry: Entry, moved: dict[int, int]) -> Entry:
    """The entry with the new place of its thumbnail."""
    return entry if entry.thumbnail is None else replace(entry, thumbnail=moved[entry.thumbnail])
