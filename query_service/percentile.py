"""What a score means: the share of random entries of the archive that score lower."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind
from scenestore.segments import LiveSegments
from sgpd.scoring import products

SAMPLE = 2_000
"""Entries drawn: a percentile is good to about one point in the middle, 0.05 at the top."""
_TIE = 1e-6
"""The sample is scored in float32: a hit that was drawn must not beat itself."""


class Percentiles:
    """Keeps a random sample of stored vectors for each kind, drawn again when segments change."""

    def __init__(self) -> None:
        self._samples: dict[Kind, tuple[LiveSegments, NDArray[np.float32]]] = {}

    def of(
        self, kind: Kind, segments: LiveSegments, query: NDArray[np.float32]
    ) -> Callable[[float], float]:
        """A function from a score with this query to its percentile, 0 to 100."""
        known = self._samples.get(kind)
        if known is None or known[0] is not segments:
            known = segments, segments.sample(SAMPLE)
            self._samples[kind] = known
        scores = np.sort(products(known[1], query)) if len(known[1]) else np.zeros(1)
        return lambda score: 100.0 * float(np.searchsorted(scores, score - _TIE)) / len(scores)
