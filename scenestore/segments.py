"""The live segments of one kind of a generation, read as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scenestore import keys as key_space
from scenestore.entry import Kind
from scenestore.errors import DamagedError, StoreError
from scenestore.lists import Lists
from scenestore.log import Head
from scenestore.segment import FORMAT, Segment
from scenestore.store import Folder, Store
from scenestore.together import together
from sgpd import sealed
from sgpd.frequencies import Frequencies
from sgpd.postings import summed
from sgpd.scoring import exact_scores, top

_AHEAD = 256
"""Documents of a guide that are asked for at once: most walks end before so many."""
_NO_ROWS, _UNKNOWN = -1, -2
"""In place of a segment's number: its batch has no rows of the kind, or is of none that we know."""


class LiveSegments:
    """The segments of one kind that a head names, opened by memory map."""

    def __init__(
        self, parts: Sequence[tuple[Segment | None, Sequence[int]]], cell_count: int
    ) -> None:
        """`parts` are segments with the ordinals of the batches they cover; None: no such rows."""
        self._segments = [segment for segment, _ in parts if segment is not None]
        self._bases = np.cumsum([0, *map(len, self._segments)])
        self._cell_count = cell_count
        number = {id(segment): number for number, segment in enumerate(self._segments)}
        owners = sorted(
            (ordinal, number.get(id(segment), _NO_ROWS))
            for segment, ordinals in parts
            for ordinal in ordinals
        )
        self._ordinals = np.array([ordinal for ordinal, _ in owners], np.int64)
        self._owners = np.array([owner for _, owner in owners], np.int64)

    @classmethod
    def open(
        cls, store: Store, head: Head, kind: Kind, cells: int, known: LiveSegments | None = None
    ) -> LiveSegments:
        """Open what the head names in the store, keeping what `known` has open already."""
        opened = {segment.name: segment for segment in known} if known else {}
        parts: list[tuple[Segment | None, Sequence[int]]] = []
        named = [(part.folder, part.ordinals, part.rows) for part in head.segments]
        named += [(batch.folder, (batch.ordinal,), batch.rows) for batch in head.live_batches()]
        new = [folder for folder, _, rows in named if kind in rows and folder not in opened]
        opened |= zip(
            new, _opened([store.open(folder) for folder in new], kind, head.bundle), strict=True
        )
        for folder, ordinals, rows in named:
            parts.append((opened[folder] if kind in rows else None, ordinals))
        return cls(parts, cells)

    def __len__(self) -> int:
        """How many vectors lie in the segments, dead ones included."""
        return int(self._bases[-1])

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Vectors in each cell, shape [C]."""
        total = np.zeros(self._cell_count, np.int64)
        for segment in self._segments:
            total += segment.counts
        return total

    def frequencies(self, term_count: int) -> Frequencies:
        """How many vectors' codes hold each of the terms, dead ones included.

        Reads the heads of the posting lists only: its time goes with terms times segments.
        """
        counts = np.zeros(term_count, np.int64)
        for segment in self._segments:
            postings = segment.postings
            counts[postings.terms] += np.diff(postings.indptr)
        return Frequencies(counts, len(self))

    @cached_property
    def _lists(self) -> Lists:
        return Lists.joined([segment.lists for segment in self._segments])

    def has_batches_of(self, keys: NDArray[np.int64]) -> bool:
        """Whether every key is of a batch that the head named when this was opened."""
        return not (self._owners_of(keys) == _UNKNOWN).any()

    def _owners_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the segment that covers each key's batch, [n]; or _NO_ROWS, _UNKNOWN."""
        if not len(self._ordinals):
            return np.full(len(keys), _UNKNOWN)
        ordinals = key_space.ordinals(keys)
        known = np.minimum(np.searchsorted(self._ordinals, ordinals), len(self._ordinals) - 1)
        return np.where(self._ordinals[known] == ordinals, self._owners[known], _UNKNOWN)

    def locate(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The place of each key, [n]; -1 for keys that no segment has.

        Places number the rows of all segments through; they hold for these segments only.
        """
        places = np.full(len(keys), -1, np.int64)
        owners = self._owners_of(keys)
        order = np.lexsort((keys, owners))  # searches for ascending keys share what they read
        bounds = np.searchsorted(owners[order], np.arange(len(self._segments) + 1)).tolist()
        for segment, base, bound in zip(
            self._segments, self._bases.tolist(), pairwise(bounds), strict=False
        ):
            rows = order[slice(*bound)]
            if len(rows):
                positions = segment.positions(keys[rows])
                places[rows] = np.where(positions < 0, -1, positions + base)
        return places

    @cached_property
    def _is_mapped(self) -> bool:
        return all(segment.is_mapped for segment in self._segments)

    def vectors_at(self, places: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors at the given places as they are stored, [n, d]; NaN rows for places of -1.

        What only scores them saves a conversion: `exact_scores` takes them so.
        """
        there = places >= 0
        if there.all():
            return self._stored(places)
        found = np.full((len(places), self._lists.dimension), np.nan, np.float16)
        found[there] = self._stored(places[there])
        return found

    def reading(self, places: NDArray[np.int64]) -> Callable[[slice], NDArray[np.float16]]:
        """What gives the stored vectors of a part of the places, as `vectors_at` does.

        In memory maps only that part is read. From a remote store a good deal more is asked for at
        once, for who walks down a guide by small steps: each would wait for its requests.
        """
        if self._is_mapped:
            return lambda part: self.vectors_at(places[part])
        found: list[NDArray[np.float16]] = []

        def read(part: slice) -> NDArray[np.float16]:
            while _AHEAD * len(found) < part.stop:
                start = _AHEAD * len(found)
                found.append(self.vectors_at(places[start : start + _AHEAD]))
            return np.concatenate(found)[part]

        return read

    def _stored(self, places: NDArray[np.int64]) -> NDArray[np.float16]:
        if self._is_mapped:
            return self._lists.vectors(places)
        found = np.empty((len(places), self._lists.dimension), np.float16)
        owners = np.searchsorted(self._bases, places, side="right") - 1

        def read(number: int) -> None:
            rows = owners == number
            found[rows] = self._segments[number].stored(places[rows] - self._bases[number])

        numbers = np.unique(owners).tolist()
        together([partial(read, i) for i in numbers if not self._segments[i].is_mapped])
        for number in numbers:
            if self._segments[number].is_mapped:
                read(number)
        return found

    def cells_at(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cell of each place, [n]; -1 for places of -1."""
        cells = np.full(len(places), -1, np.int32)
        there = places >= 0
        cells[there] = self._lists.cells_of(places[there])
        return cells

    def vectors(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Stored vectors of the given keys, [n, d]; NaN rows for keys that no segment has."""
        return self.vectors_at(self.locate(keys)).astype(np.float32)

    def cells_of(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cell of each key, [n]; -1 for keys that no segment has."""
        return self.cells_at(self.locate(keys))

    def touched(
        self, terms: NDArray[np.uint32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Places whose codes hold any of a query's terms, ascending, and their sparse scores."""
        rows: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        products: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
        for segment, base in zip(self._segments, self._bases.tolist(), strict=False):
            positions, found = segment.postings.products(terms, weights)
            rows.append(positions + base)
            products.append(found)
        return summed(np.concatenate(rows), np.concatenate(products))

    def keys_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The keys at ascending places, [n]."""
        bounds = np.searchsorted(places, self._bases)
        parts = [
            segment.keys[places[start:stop] - base]
            for segment, base, (start, stop) in zip(
                self._segments, self._bases.tolist(), pairwise(bounds.tolist()), strict=False
            )
        ]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def scan(
        self, query: NDArray[np.float32], cells: Sequence[int], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Keys and exact scores of the best `size` vectors in the given cells, (-score, key).

        float32 scores select, exact_scores ranks; ties at the last place are all looked at, so that
        the answer does not depend on how the vectors are spread over segments.
        """
        if not len(cells):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        remote = [segment for segment in self._segments if not segment.is_mapped]
        waited_for = iter(together([partial(s.best, query, cells, size) for s in remote]))
        found = [
            segment.best(query, cells, size) if segment.is_mapped else next(waited_for)
            for segment in self._segments
        ]
        keys = [s.keys[positions] for s, positions in zip(self._segments, found, strict=True)]
        places = [p + base for p, base in zip(found, self._bases.tolist(), strict=False)]
        none = np.empty(0, np.int64)
        scores = exact_scores(query, self.vectors_at(np.concatenate([none, *places])))
        return top(np.concatenate([none, *keys]), scores, size)

    def sample(self, size: int, seed: int = 0) -> NDArray[np.float32]:
        """Stored vectors of up to `size` rows drawn without replacement, [n, d]; dead included."""
        count = min(size, len(self))
        drawn = np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))
        bounds = np.searchsorted(drawn, self._bases)
        parts = [
            segment.drawn(drawn[start:stop] - base)
            for segment, base, (start, stop) in zip(
                self._segments, self._bases.tolist(), pairwise(bounds.tolist()), strict=False
            )
        ]
        none = np.empty((0, self._lists.dimension), np.float16)
        return np.concatenate([none, *parts]).astype(np.float32)


def _opened(folders: Sequence[Folder], kind: Kind, bundle: str) -> list[Segment]:
    """The segments of folders; remote ones are asked for at once."""
    if any(folder.is_remote for folder in folders):
        return together([partial(_checked, folder, kind, bundle) for folder in folders])
    return [_checked(folder, kind, bundle) for folder in folders]


def _checked(folder: Folder, kind: Kind, bundle: str) -> Segment:
    """A segment, with a check that its folder was made with the bundle of that digest."""
    segment = Segment(folder, kind)
    try:
        found = folder.manifest(FORMAT)[0].get("bundle", bundle)  # compacted ones once said nothing
    except sealed.SealError as error:
        raise DamagedError(f"segment {error}; run `scenesift audit`") from error
    if found != bundle:
        raise StoreError(
            f"segment {folder} was made with bundle {found}, not {bundle}; restore the one that "
            "belongs there from a backup, or run `scenesift audit --repair`"
        )
    return segment
