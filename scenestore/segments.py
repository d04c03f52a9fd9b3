"""The live segments of one kind of a generation, read as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenestore import keys as key_space
from scenestore.entry import Kind
from scenestore.log import Head
from scenestore.segment import Segment
from sgpd.frequencies import Frequencies
from sgpd.scoring import exact_scores, top

_TIE = np.float32(1e-6)
"""FAISS sums in another order than exact_scores: scores this near may change places."""


class LiveSegments:
    """The segments of one kind that a head names, opened by memory map."""

    def __init__(self, segments: Sequence[Segment], ordinals: Sequence[int], cells: int) -> None:
        self._segments = list(segments)
        self.ordinals = frozenset(ordinals)
        """Batches whose vectors are here (or that had none of this kind)."""
        self._cell_count = cells

    @classmethod
    def open(
        cls, root: Path, head: Head, kind: Kind, cells: int, known: LiveSegments | None = None
    ) -> LiveSegments:
        """Open what the head names under `root`, keeping what `known` has open already."""
        opened = {segment.directory: segment for segment in known} if known else {}
        segments: list[Segment] = []
        ordinals: list[int] = []
        parts = [(part.folder, part.ordinals, part.rows) for part in head.segments]
        parts += [(batch.folder, (batch.ordinal,), batch.rows) for batch in head.live_batches()]
        for folder, covered, rows in parts:
            ordinals.extend(covered)
            if kind in rows:
                directory = root / folder / kind
                segments.append(opened.get(directory) or Segment(directory))
        return cls(segments, ordinals, cells)

    def __len__(self) -> int:
        """How many vectors lie in the segments, dead ones included."""
        return sum(map(len, self._segments))

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

    def has_batches_of(self, keys: NDArray[np.int64]) -> bool:
        """Whether every key is of a batch that the head named when this was opened."""
        return self.ordinals.issuperset(np.unique(key_space.ordinals(keys)).tolist())

    def vectors(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """Stored vectors of the given keys, [n, d]; NaN rows for keys that no segment has."""
        dimension = self._segments[0].dimension if self._segments else 0
        found = np.full((len(keys), dimension), np.nan, np.float32)
        missing = np.arange(len(keys))
        for segment in self._segments:
            if not len(missing):
                break
            positions = segment.positions(keys[missing])
            here = positions >= 0
            found[missing[here]] = segment.vectors(positions[here])
            missing = missing[~here]
        return found

    def cells_of(self, keys: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cell of each key, [n]; -1 for keys that no segment has."""
        cells = np.full(len(keys), -1, np.int32)
        for segment in self._segments:
            positions = segment.positions(keys)
            here = positions >= 0
            cells[here] = segment.cells_of(positions[here])
        return cells

    def scan(
        self, query: NDArray[np.float32], cells: Sequence[int], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Keys and exact scores of the best `size` vectors in the given cells, (-score, key).

        FAISS selects, exact_scores ranks; ties at the last place are all looked at, so that the
        answer does not depend on how the vectors are spread over segments.
        """
        keys: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        scores: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
        for segment in self._segments:
            candidates = _with_ties(segment, query, cells, size)
            keys.append(candidates)
            vectors = segment.vectors(segment.positions(candidates))
            scores.append(exact_scores(query, vectors))
        return top(np.concatenate(keys), np.concatenate(scores), size)

    def sample(self, size: int, seed: int = 0) -> NDArray[np.float32]:
        """Stored vectors of up to `size` rows drawn without replacement, [n, d]; dead included."""
        bounds = np.cumsum([0, *map(len, self._segments)])
        count = min(size, int(bounds[-1]))
        rows = np.sort(np.random.default_rng(seed).choice(bounds[-1], count, replace=False))
        parts = [
            segment.vectors(rows[(rows >= start) & (rows < start + len(segment))] - start)
            for segment, start in zip(self._segments, bounds[:-1], strict=True)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _with_ties(
    segment: Segment, query: NDArray[np.float32], cells: Sequence[int], size: int
) -> NDArray[np.int64]:
    """Keys of the best `size` vectors, and of all that tie with the last of them."""
    within = int(segment.counts[np.asarray(cells, np.int64)].sum()) if len(cells) else 0
    asked = min(size + 16, within)
    while asked:
        keys, scores = segment.scan(query, cells, asked)
        if asked == within or scores[-1] < scores[size - 1] - _TIE:
            return keys
        asked = min(2 * asked, within)
    return np.empty(0, np.int64)
