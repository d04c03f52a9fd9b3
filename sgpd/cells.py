"""Cells: the dense clusters in which vectors lie, and what is known of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.embeddings import stored
from sgpd.scoring import products

_BLOCK = 8_192
_PSEUDO_DOCUMENTS = 20
"""Weight of the global variance in a cell's own."""
_SMALLEST_VARIANCE = 1e-8
"""Of a score within a cell: far below what fp16 storage resolves, above zero."""
_ABOVE_ALL, _HALVINGS = 1.5, 14
"""No score is so high; halved so often, 0.0002 is left, far below the deviations within cells."""


@dataclass(frozen=True, eq=False)
class CellStatistics:
    """Sums over the vectors of each cell; the statistics of two sets of vectors can be added."""

    counts: NDArray[np.int64]
    """Shape [C]."""
    sums: NDArray[np.float32]
    """Shape [C, d]: sums of the vectors x."""
    squares: NDArray[np.float32]
    """Shape [C, d]: sums of (Px)^2."""
    basis: NDArray[np.float32]
    """Shape [d, d]: P, the principal axes of all vectors in rows."""

    ARRAYS = ("counts", "sums", "squares", "basis")

    @classmethod
    def measure(
        cls,
        x: NDArray[np.float32],
        cells: NDArray[np.int32],
        cell_count: int,
        basis: NDArray[np.float32],
    ) -> CellStatistics:
        """Statistics of vectors [n, d] that lie in the given cells [n]."""
        sums = np.zeros((cell_count, x.shape[1]))
        squares = np.zeros_like(sums)
        for start in range(0, len(x), _BLOCK):
            block = x[start : start + _BLOCK]
            order = np.argsort(cells[start : start + _BLOCK], kind="stable")
            found, first = np.unique(cells[start : start + _BLOCK][order], return_index=True)
            rows = block[order].astype(np.float64)
            sums[found] += np.add.reduceat(rows, first)
            squares[found] += np.add.reduceat((rows @ basis.T.astype(np.float64)) ** 2, first)
        counts = np.bincount(cells, minlength=cell_count).astype(np.int64)
        return cls(counts, sums.astype(np.float32), squares.astype(np.float32), basis)

    def __add__(self, other: CellStatistics) -> CellStatistics:
        """Statistics of both sets of vectors together."""
        return CellStatistics(
            self.counts + other.counts,
            self.sums + other.sums,
            self.squares + other.squares,
            self.basis,
        )

    def mean_scores(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean product [C] of a query [d] with the vectors of each cell: m_c = q . mean_c."""
        return np.asarray(products(self._means, query), np.float32)

    def deviations(
        self, query: NDArray[np.float32], cells: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Standard deviation of a query's products with the vectors of the given cells [s].

        sigma_c^2 = sum_j (Pq)_j^2 v_cj: the query's squared coordinates in the basis, weighted with
        the cell's variances there.
        """
        variances = products(self._variances[cells], products(self.basis, query) ** 2)
        return np.asarray(np.sqrt(np.maximum(variances, _SMALLEST_VARIANCE)), np.float32)

    def expected_share(self, query: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
        """Share [C] of each cell's vectors expected to score above the threshold with a query [d].

        Q((threshold - m) / sigma), Q the upper tail of the normal distribution.
        """
        every = np.arange(len(self.counts))
        return normal_tail((threshold - self.mean_scores(query)) / self.deviations(query, every))

    def expected_threshold(
        self, query: NDArray[np.float32], counts: NDArray[np.int64], k: int
    ) -> float:
        """The score of a query [d] that k vectors are expected to beat; -inf for no more than k.

        `counts` [C]: how many vectors of each cell are meant, drawn from it as if by chance.
        """
        if counts.sum() <= k:
            return -math.inf
        held = np.flatnonzero(counts)
        means, deviations = self.mean_scores(query)[held], self.deviations(query, held)
        low, high = -_ABOVE_ALL, _ABOVE_ALL
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            beating = counts[held] @ normal_tail((middle - means) / deviations)
            low, high = (middle, high) if beating >= k else (low, middle)
        return low

    @cached_property
    def lengths(self) -> NDArray[np.float32]:
        """Length [C] of each cell's mean vector: near 1 where its vectors lie close together."""
        return np.asarray(np.maximum(np.linalg.norm(self._means, axis=1), 1e-6), np.float32)

    @cached_property
    def _means(self) -> NDArray[np.float32]:
        counts = np.maximum(self.counts, 1).astype(np.float32)
        return np.divide(self.sums, counts[:, None])

    @cached_property
    def _variances(self) -> NDArray[np.float32]:
        """Shape [C, d], shrunk towards the variance within cells at large."""
        counts = self.counts.astype(np.float32)[:, None]
        spread = np.maximum(self.squares - counts * (self._means @ self.basis.T) ** 2, 0)
        pooled = spread.sum(axis=0, dtype=np.float64) / max(int(self.counts.sum()), 1)
        shrunk = (spread + _PSEUDO_DOCUMENTS * pooled) / (counts + _PSEUDO_DOCUMENTS)
        return np.ascontiguousarray(shrunk, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one kind of entries."""

    centroids: NDArray[np.float32]
    """Shape [C, d]: rows of unit length, rounded to fp16."""
    prior: CellStatistics
    """What the vectors looked like that the cells were fitted on."""

    def __len__(self) -> int:
        return len(self.centroids)

    def assign(self, x: NDArray[np.float32]) -> NDArray[np.int32]:
        """The cell of each vector [n, d], which is rounded to fp16 first."""
        return nearest_centroid(x, self.centroids)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved of the cells."""
        prior = {name: getattr(self.prior, name) for name in CellStatistics.ARRAYS}
        return {"centroids": self.centroids, **prior}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Cells:
        """Cells as saved by `arrays`."""
        prior = CellStatistics(*(arrays[name] for name in CellStatistics.ARRAYS))
        return cls(arrays["centroids"], prior)


def nearest_centroid(x: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """The nearest of the centroids [C, d] to each vector [n, d], the lower where two tie.

    Products of fp16 values sum without rounding in float64: the answer for a row is the same in
    any batch and on any machine.
    """
    exact = centroids.T.astype(np.float64)
    nearest = np.empty(len(x), np.int32)
    for start in range(0, len(x), _BLOCK):
        block = slice(start, start + _BLOCK)
        nearest[block] = (stored(x[block]).astype(np.float64) @ exact).argmax(axis=1)
    return nearest


def normal_tail(z: NDArray[np.floating]) -> NDArray[np.float32]:
    """Upper tail of the normal distribution, to 4 digits; NaN-free for infinite z."""
    grid, logarithms = _tail_table()
    return np.asarray(np.exp(np.interp(z, grid, logarithms)), np.float32)


@cache
def _tail_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The logarithm of the tail, which is near a parabola and can be interpolated."""
    grid = np.arange(-6 * 64, 12 * 64 + 1) / 64
    return grid, np.log([math.erfc(z / math.sqrt(2)) / 2 for z in grid])
