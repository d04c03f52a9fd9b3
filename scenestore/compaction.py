"""Compaction: many small segments become one, and what is dead is dropped.

Tiered: segments are ranked in tiers of like size, and a tier that is full is merged into one
segment of the next. So at most `FAN_IN - 1` segments a tier are live: 7 up to 8,000 entries, 28 up
to four million, and every vector is rewritten once a tier.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import KINDS, Kind
from scenestore.errors import StoreError
from scenestore.generation import Check, Generation, unchecked
from scenestore.log import Head, LoggedSegment
from scenestore.segment import FORMAT, Segment, row_order, write_segment
from sgpd import sealed
from sgpd.postings import Postings

FAN_IN = 8
SMALLEST_TIER = 1_000
"""Rows up to which segments are of the lowest tier: the usual size of a batch."""
GRACE_SECONDS = 600.0
"""How long what was replaced stays for readers that still hold an older head."""
_BLOCK = 16_384
"""Vectors in memory at once while segments are merged: 8 MiB at 256 dimensions."""
_SEGMENT, _RETIRED = "s-", "retired-"
"""How names of segments begin, and of the blobs that say that a folder is no longer read."""


@dataclass(frozen=True)
class _Part:
    """A live batch or segment."""

    folder: str
    ordinals: tuple[int, ...]
    rows: int


def compact(generation: Generation, check: Check = unchecked) -> bool:
    """Merge one full tier, if there is one; returns whether there was.

    `check` is called once the segment is written, and raises where it is no longer ours to log: who
    stood still meanwhile may name a folder that has been collected since.
    """
    full = _full_tier(generation.reader.head(fresh=True))
    if full is None:
        return False
    generation.documents.refresh()  # what is not visible yet would be taken for dead
    merged = _merged(generation, full)
    check()
    generation.reader.remember(generation.log.compacted(merged))
    return True


def remake(generation: Generation, segment: LoggedSegment) -> None:
    """Make a compacted segment again from the batches that it covers, and read that instead.

    For one that is damaged, gone, or lacks what is live; the documents must be right.
    """
    generation.documents.refresh()
    batches = [generation.batch(ordinal) for ordinal in segment.ordinals]
    parts = [_Part(batch.name, (batch.ordinal,), sum(batch.rows.values())) for batch in batches]
    again = _merged(generation, parts, instead=segment.folder)
    generation.reader.remember(generation.log.compacted(again))


def is_due(head: Head) -> bool:
    """Whether a tier is full, so that `compact` would merge it."""
    return _full_tier(head) is not None


def collect_garbage(generation: Generation, grace_seconds: float = GRACE_SECONDS) -> int:
    """Remove segments that the head no longer names, and attempts at batches that came to nothing.

    An attempt that was compacted before a later one took its place stays as long as its segment:
    that is made again from all the batches that it covers.

    Each is marked first, and goes when the mark is that old by the clock of the store itself: those
    of the machines need not agree. Returns how many went.
    """
    store = generation.store
    marked = {name.removeprefix(_RETIRED) for name in store.blobs() if name.startswith(_RETIRED)}
    segments = generation.reader.head(fresh=True).segments
    named = {segment.folder for segment in segments}
    covered = {ordinal for segment in segments for ordinal in segment.ordinals}
    retired = [folder for folder in store.names(_SEGMENT) if folder not in named]
    retired += [batch.name for batch in generation.overtaken() if batch.ordinal not in covered]
    removed = 0
    for folder in retired:
        if folder not in marked:
            store.put(_RETIRED + folder, b"")
        elif store.age(_RETIRED + folder) > grace_seconds:
            store.remove(folder)
            store.remove(_RETIRED + folder)
            removed += 1
    for folder in marked.difference(retired):  # gone already, or named again
        store.remove(_RETIRED + folder)
    return removed


def _full_tier(head: Head) -> list[_Part] | None:
    parts = [_Part(s.folder, s.ordinals, sum(s.rows.values())) for s in head.segments]
    parts += [_Part(b.folder, (b.ordinal,), sum(b.rows.values())) for b in head.live_batches()]
    tiers: dict[int, list[_Part]] = defaultdict(list)
    for part in parts:
        tier = math.ceil(math.log(max(part.rows / SMALLEST_TIER, 1), FAN_IN))
        tiers[tier].append(part)
    full = [tier for tier, members in sorted(tiers.items()) if len(members) >= FAN_IN]
    return tiers[full[0]] if full else None


def _merged(
    generation: Generation, parts: Sequence[_Part], instead: str | None = None
) -> LoggedSegment:
    """Write a segment of several parts; `instead` of another it gets a name of its own."""
    store = generation.store
    rows: dict[Kind, int] = {}
    with store.draft() as draft:
        folders = [store.open(part.folder) for part in parts]
        try:
            for kind in KINDS:
                sources = [
                    Segment(f, kind, whole=True) for f in folders if f.has(f"{kind}/keys.npy")
                ]
                count = _merge_kind(generation, kind, sources, draft / kind)
                if count:
                    rows[kind] = count
            ordinals = tuple(sorted(ordinal for part in parts for ordinal in part.ordinals))
            description: dict[str, Any] = {"format": FORMAT, "bundle": generation.bundle.digest}
            if instead is not None:  # who has that open must see that this is another
                description["instead"] = instead
            digest = sealed.seal(draft, {**description, "ordinals": ordinals, "rows": rows})
        except OSError as error:
            raise StoreError(
                f"segments cannot be compacted in {store}: {error.strerror}; "
                "make room or permit writing; searches go on without"
            ) from error
        folder = f"{_SEGMENT}{ordinals[-1]:08d}-{digest[:16]}"
        store.remove(_RETIRED + folder)  # left where the same was made before, and never logged
        size = sum(file.stat().st_size for file in draft.rglob("*") if file.is_file())
        store.publish(draft, folder)
    return LoggedSegment(folder, ordinals, rows, size)


def _merge_kind(
    generation: Generation, kind: Kind, sources: Sequence[Segment], directory: Path
) -> int:
    """Write the live rows of all sources as one segment; returns how many they are."""
    if not sources:
        return 0
    alive = generation.documents.alive
    live = [np.flatnonzero(alive(kind, source.keys)) for source in sources]
    keys = np.concatenate([s.keys[rows] for s, rows in zip(sources, live, strict=True)])
    if not len(keys):
        return 0
    cells = np.concatenate([s.cells_of(rows) for s, rows in zip(sources, live, strict=True)])
    order = row_order(cells, keys)
    new_rows = np.empty(len(order), np.int64)
    new_rows[order] = np.arange(len(order))
    maps: list[tuple[Postings, NDArray[np.int64]]] = []
    start = 0
    for source, rows in zip(sources, live, strict=True):
        new_row = np.full(len(source), -1, np.int64)
        new_row[rows] = new_rows[start : start + len(rows)]
        maps.append((source.postings, new_row))
        start += len(rows)
    bundle = generation.bundle
    write_segment(
        directory,
        keys[order],
        _vectors(sources, live, order, bundle.dimension),
        bundle.dimension,
        cells[order],
        len(bundle.space(kind).cells),
        Postings.merge(maps),
    )
    return len(keys)


def _vectors(
    sources: Sequence[Segment],
    live: Sequence[NDArray[np.intp]],
    order: NDArray[np.int64],
    dimension: int,
) -> Iterator[NDArray[np.float16]]:
    """The stored vectors of the live rows of all sources, in an order, a block at a time."""
    rows = np.concatenate(live)
    origin = np.repeat(np.arange(len(live), dtype=np.int32), [len(found) for found in live])
    for first in range(0, len(order), _BLOCK):
        block = order[first : first + _BLOCK]
        vectors = np.empty((len(block), dimension), np.float16)
        for number in np.unique(origin[block]).tolist():
            here = origin[block] == number
            vectors[here] = sources[number].stored(rows[block[here]])
        yield vectors
