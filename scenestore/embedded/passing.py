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

    def among(self, keys: Sequence[int]) -> list[int]:
        """Which of the keys are among them."""
        if not len(self.keys):
            return []
        asked = np.fromiter(keys, np.int64, len(keys))
        places = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return [int(key) for key in asked[self.keys[places] == asked]]
