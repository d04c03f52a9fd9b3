"""Candidates: the few cells that a plan looks at, and what speaks for each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgpd.cells import CellStatistics, normal_tail
from sgpd.evidence import Evidence

NEAREST = 160
"""Cells nearest to the query by mean score that are looked at beside the guide's own."""

_RANK_BINS = np.array([10, 30, 100, 300])
_FAR = -0.3
"""Stands for the score less theta where no document of the cell was scored."""
_LOWEST_LOG = -12.0
"""Of an expectation: no plan tells smaller ones apart."""
_Z_RANGE = (-6.0, 12.0)

FEATURES = (
    "guide documents ranked 1-10",
    "guide documents ranked 11-30",
    "guide documents ranked 31-100",
    "guide documents ranked 101-300",
    "guide documents ranked 301-",
    "share of the guide's sparse mass",
    "centroid cosine",
    "centroid rank",
    "mean score m",
    "deviation sigma",
    "vectors n",
    "length of the mean",
    "theta - m",
    "best exact score - theta",
    "mean exact score - theta",
    "documents at or above theta",
    "documents scored",
    "documents not scored",
    "z",
    "log E",
    "first hit - theta",
    "theta",
    "k",
)
"""Counts go in as log(1 + count)."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """s cells of one query."""

    cells: NDArray[np.intp]
    """Shape [s], ascending; every one holds a vector."""
    vectors: NDArray[np.int64]
    """Shape [s]: n."""
    normal: NDArray[np.float32]
    """Shape [s]: E = n Q((theta - m) / sigma), vectors expected above the threshold."""
    guide: NDArray[np.int64]
    """Shape [s]: guide documents in the cell."""
    features: NDArray[np.float32]
    """Shape [s, F], in the order of FEATURES."""

    @classmethod
    def gather(
        cls,
        evidence: Evidence,
        statistics: CellStatistics,
        counts: NDArray[np.int64],
        nearest: int = NEAREST,
    ) -> Candidates:
        """The cells of the guide and the nearest others, with their features.

        `counts` [C]: live vectors (or matches of the filter) in each cell; empty cells are left
        out. The evidence has a threshold.
        """
        means = statistics.mean_scores(evidence.query)
        cells = _shortlist(evidence.cells, means, counts, nearest)
        n = counts[cells]
        mean = means[cells]
        deviation = statistics.deviations(evidence.query, cells)
        z = np.clip((evidence.threshold - mean) / deviation, *_Z_RANGE)
        normal = n * normal_tail(z)
        rank = np.empty(len(cells), np.float32)
        rank[np.argsort(-mean, kind="stable")] = np.arange(len(cells))
        length = statistics.lengths[cells]
        guide, seen = _of_guide(evidence, cells, len(counts))
        first = max(float(evidence.exact.max(initial=_FAR)) - evidence.threshold, 0.0)
        values = (
            *seen[:6],
            mean / length,
            np.log1p(rank),
            mean,
            deviation,
            np.log1p(n),
            length,
            evidence.threshold - mean,
            *seen[6:],
            z,
            np.log(np.maximum(normal, np.exp(_LOWEST_LOG))),
            first,
            evidence.threshold,
            np.log1p(evidence.k),
        )
        features = np.empty((len(FEATURES), len(cells)), np.float32)
        for row, value in zip(features, values, strict=True):
            row[:] = value
        return cls(cells, n, normal, guide, features.T)

    @classmethod
    def none(cls) -> Candidates:
        """No cell at all."""
        whole, share = np.empty(0, np.int64), np.empty(0, np.float32)
        return cls(whole, whole, share, whole, np.empty((0, len(FEATURES)), np.float32))

    def __len__(self) -> int:
        return len(self.cells)


def _shortlist(
    of_guide: NDArray[np.int32],
    means: NDArray[np.float32],
    counts: NDArray[np.int64],
    nearest: int,
) -> NDArray[np.intp]:
    """Cells that hold a vector and are among the guide's or the nearest to the query."""
    wanted = np.zeros(len(counts), bool)
    wanted[of_guide[of_guide >= 0]] = True
    if nearest < len(counts):
        wanted[np.argpartition(-means, nearest)[:nearest]] = True
    else:
        wanted[:] = True
    return np.flatnonzero(wanted & (counts > 0))


def _of_guide(
    evidence: Evidence, cells: NDArray[np.intp], cell_count: int
) -> tuple[NDArray[np.int64], list[NDArray[np.floating]]]:
    """Guide documents in each cell, and the features that come from them."""
    size = len(cells)
    slot = np.full(cell_count + 1, size)  # the last place is for documents of no known cell
    slot[cells] = np.arange(size)
    place = slot[evidence.cells]
    bins = np.searchsorted(_RANK_BINS, np.arange(len(place)), side="right")
    width = len(_RANK_BINS) + 1
    ranked = np.bincount(place * width + bins, minlength=(size + 1) * width)
    by_rank = ranked[: size * width].reshape(size, width)
    whole = max(float(evidence.sparse.sum()), 1e-9)
    mass = np.bincount(place, evidence.sparse, size + 1)[:size] / whole

    read = np.flatnonzero(evidence.exact > -np.inf)
    there = place[read]
    beyond = evidence.exact[read] - np.float32(evidence.threshold)
    scored = np.bincount(there, minlength=size + 1)[:size]
    above = np.bincount(there[beyond >= 0], minlength=size + 1)[:size]
    best = np.full(size + 1, _FAR, np.float32)
    np.maximum.at(best, there, beyond)
    total = np.bincount(there, beyond, size + 1)[:size]
    mean = np.where(scored > 0, total / np.maximum(scored, 1), _FAR)
    guide = by_rank.sum(axis=1)
    features = [
        *np.log1p(by_rank.T),
        mass,
        best[:size],
        mean,
        np.log1p(above),
        np.log1p(scored),
        np.log1p(guide - scored),
    ]
    return guide, features
