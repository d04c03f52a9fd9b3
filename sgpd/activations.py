"""Activations: dense scores of terms, of which the strongest become codes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes
from sgpd.embeddings import stored

_BLOCK = 1_024
_LEAST = 2.0**-10
"""What the strongest term weighs at least: no entry is without a term by which it can be found."""


def strongest(activations: NDArray[np.floating], count: int) -> Codes:
    """Codes of the `count` largest activations of each row [n, V], as far as they are above 0."""
    count = min(count, activations.shape[1])
    terms = np.argpartition(activations, -count, axis=1)[:, -count:]
    weights = np.take_along_axis(activations, terms, axis=1)
    first = np.arange(len(weights)), weights.argmax(axis=1)
    weights[first] = np.maximum(weights[first], _LEAST)
    return Codes.from_rows(terms, weights)


def coded(
    x: NDArray[np.float32],
    activations: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    count: int,
) -> Codes:
    """Rounded codes of embeddings [n, d], block by block, each rounded to fp16 first."""
    starts = range(0, max(len(x), 1), _BLOCK)
    blocks = [stored(x[start : start + _BLOCK]).astype(np.float64) for start in starts]
    return Codes.concatenate([strongest(activations(rows), count) for rows in blocks]).rounded()
