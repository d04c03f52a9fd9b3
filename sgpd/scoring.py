"""Scores and ranks: the one function that says how near a vector is to a query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_QUERY_GRID = 2.0**28
_BLOCK = 16_384


def exact_scores(query: NDArray[np.floating], vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Inner products of a query [d] with stored vectors [n, d], as float32 [n].

    The query is rounded to multiples of 2^-28. Stored (fp16) values are multiples of 2^-24, so
    every product is a multiple of 2^-52 and, for lengths near 1, every partial sum is exact in
    float64: the score of a vector is the same in any batch, order of summation and BLAS.
    """
    exact = np.rint(query.astype(np.float64) * _QUERY_GRID) / _QUERY_GRID
    scores = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        scores[block] = products(vectors[block].astype(np.float64), exact)
    return scores


def products(rows: NDArray[np.floating], query: NDArray[np.floating]) -> NDArray[np.floating]:
    """Inner products [n] of rows [n, d] with one query [d], in their precision, on one thread.

    BLAS gives even a small product to all cores, and where other work keeps these busy its threads
    wait for one another: a hundred times as long (measured at n = 16,384 and d = 256).
    """
    return np.asarray(np.vecdot(rows, query))


def top(
    keys: NDArray[np.int64], scores: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The best k keys and scores, in order (-score, key)."""
    places = top_places(keys, scores, k)
    return keys[places], scores[places]


def top_places(keys: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Where the best k lie in the two arrays [n], in order (-score, key)."""
    places = np.arange(len(keys))
    if 0 < k < len(keys):
        last = np.partition(scores, len(scores) - k)[len(scores) - k]
        places = np.flatnonzero(scores >= last)
    return places[np.lexsort((keys[places], -scores[places]))][: max(k, 0)]
