"""Metrics of retrieval."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

TIE = 1e-6
"""Scores this near are taken as equal."""


def recall_at_k(found: NDArray[np.float32], best: NDArray[np.float32]) -> float:
    """Share of the true top k that was found; found [<= k] and best [k] are exact scores.

    A hit counts when it scores at least the k-th best score less TIE, so that of documents that
    tie for the last places any will do.
    """
    if not len(best):
        return 1.0
    hits = int(np.count_nonzero(found >= float(best.min()) - TIE))
    return min(hits, len(best)) / len(best)


def r_at_k(ranked: Sequence[Sequence[int]], positives: Sequence[Collection[int]], k: int) -> float:
    """Share of queries with at least one positive among their first k."""
    if not len(ranked):
        return 0.0
    pairs = zip(ranked, positives, strict=True)
    hits = sum(any(item in wanted for item in row[:k]) for row, wanted in pairs)
    return hits / len(ranked)


def mean_recall(values: Sequence[float]) -> float:
    """mR: the mean of R@1, R@5 and R@10 over both directions."""
    return sum(values) / len(values)


def bootstrap_interval(
    values: NDArray[np.floating],
    groups: NDArray[np.str_],
    level: float = 0.95,
    draws: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Interval of the mean of values [n]: percentiles over bootstrap draws of whole groups [n].

    Queries of one source image are not independent, so images are drawn, not queries.
    """
    if not len(values):
        return 0.0, 1.0
    _, member = np.unique(groups, return_inverse=True)
    sums = np.bincount(member, values)
    sizes = np.bincount(member)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(draws, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
