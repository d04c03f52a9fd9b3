"""The vectors of a kind as they are now, for whoever looks at all of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind, Scene
from scenestore.filters import Filter
from scenestore.generation import Generation
from scenestore.segments import LiveSegments
from sgpd.cells import CellStatistics

_BLOCK = 16_384


@dataclass(frozen=True, eq=False)
class Gallery:
    """The vectors of a kind as they are now."""

    kind: Kind
    segments: LiveSegments
    keys: NDArray[np.int64]
    """Shape [N]: the key at each place."""
    is_live: NDArray[np.bool_]
    """Shape [N]."""

    @classmethod
    def open(cls, generation: Generation, kind: Kind) -> Gallery:
        """The vectors of a kind, and which of them are live."""
        live = np.fromiter((key for key, _ in generation.documents.live(kind)), np.int64)
        segments = generation.reader.segments(kind, holding=live)
        keys = segments.keys_at(np.arange(len(segments)))
        return cls(kind, segments, keys, np.isin(keys, live))

    def places_of(
        self, generation: Generation, scenes: Sequence[Sequence[Scene]]
    ) -> list[NDArray[np.int64]]:
        """For each of several groups of scenes the places of their entries."""
        none = np.empty(0, np.int64)
        found = []
        for group in scenes:
            where = Filter(scenes=tuple(group))
            keys = generation.documents.keys(self.kind, where, sys.maxsize) if group else none
            places = self.segments.locate(keys)
            found.append(places[places >= 0])
        return found

    def statistics(self, generation: Generation) -> CellStatistics:
        """Of the live vectors, each read once."""
        cells = generation.bundle.space(self.kind).cells
        basis = cells.prior.basis
        none = np.empty((0, basis.shape[1]), np.float32)
        statistics = CellStatistics.measure(none, np.empty(0, np.int32), len(cells), basis)
        places = np.flatnonzero(self.is_live)
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            vectors = self.segments.vectors_at(block).astype(np.float32)
            members = self.segments.cells_at(block)
            statistics += CellStatistics.measure(vectors, members, len(cells), basis)
        return statistics

    def __len__(self) -> int:
        return int(np.count_nonzero(self.is_live))
