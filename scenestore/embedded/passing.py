"""The live entries that pass a filter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenestore.segments import LiveSegments


class Passing:
    """Keys of entries, ascending, and where in the segments they lie."""

    def __init__(self, keys: NDArray[np.int64]) -> None:
        self.keys = keys
        self._places: tuple[LiveSegments, NDArray[np.bool_]] | None = None

    def mask(self, segments: LiveSegments) -> NDArray[np.bool_]:
        """Which places of the segments hold one of them."""
        known = self._places
        if known is None or known[0] is not segments:
            places = segments.locate(self.keys)
            held = np.zeros(len(segments), np.bool_)
            held[places[places >= 0]] = True
            self._places = known = segments, held
        return known[1]

    def counts(self, segments: LiveSegments) -> NDArray[np.int64]:
        """How many of them lie in each cell, [C]."""
        places = np.flatnonzero(self.mask(segments))
        return np.bincount(segments.cells_at(places), minlength=len(segments.counts))

    def among(self, keys: Sequence[int]) -> list[int]:
        """Those of the keys that are among them, in the order given."""
        asked = np.fromiter(keys, np.int64, len(keys))
        return [int(key) for key in asked[self.holds(asked)]]

    def holds(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys are among them, same shape."""
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(self.keys[places] == keys)
