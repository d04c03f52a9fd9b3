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
