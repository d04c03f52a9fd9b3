"""What a score means: the share of random entries of the archive that score lower."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind
from scenestore.segments import LiveSegments
from sgpd.scoring import products

SAMPLE = 2_000
"""Entries drawn: a percentile is good to about one point in the middle, 0.05 at the top."""
_TIE = 1e-6
"""The sample is scored in float32: a hit that was drawn must not beat itself."""

_CHANGE = 0.01
"""Share by which the number of vectors may change before a sample is drawn again: compaction moves
vectors and a batch adds few, but drawing takes longer than many a search."""


class Percentiles:
    """Keeps a random sample of stored vectors for each kind, drawn again when there are others.

    A sample that holds all the vectors there are is drawn again whenever the segments change.
    """

    def __init__(self) -> None:
        self._samples: dict[Kind, _Sample] = {}

    def of(
        self, kind: Kind, segments: LiveSegments, query: NDArray[np.float32]
    ) -> Callable[[float], float]:
        """A function from a score with this query to its percentile, from 0 to below 100."""
        known = self._samples.get(kind)
        if known is None or not known.stands_for(segments):
            known = _Sample(segments.sample(SAMPLE), len(segments), weakref.ref(segments))
            self._samples[kind] = known
        vectors = known.vectors
        scores = np.sort(products(vectors, query)) if len(vectors) else np.zeros(0)
        # The scored entry is one of the archive's and does not beat itself: where it was not drawn,
        # it counts beside those that were, so that no sample makes it better than all.
        entries = len(scores) + (len(scores) < len(segments) or not len(scores))
        return lambda score: 100.0 * float(np.searchsorted(scores, score - _TIE)) / entries


def top_share(percentile: float) -> str:
    """Percent of entries that score as high or higher, in digits that a sample can tell.

    Rounded up: nothing is called better than it is known to be.
    """
    share = 100.0 - percentile
    digits = 2 if share < 1 else 1 if share < 10 else 0
    step = 10**digits
    return f"{math.ceil(round(share * step, 6)) / step:.{digits}f}"


@dataclass(frozen=True, eq=False)
class _Sample:
    """Vectors [n, d] drawn from segments, how many those held, and which they were."""

    vectors: NDArray[np.float32]
    drawn_from: int
    segments: weakref.ref[LiveSegments]

    def stands_for(self, segments: LiveSegments) -> bool:
        if len(segments) <= SAMPLE:
            return self.segments() is segments
        return abs(len(segments) - self.drawn_from) <= _CHANGE * self.drawn_from
