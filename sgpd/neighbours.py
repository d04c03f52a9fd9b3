"""Nearest prototypes by two levels: the nearest cells first, then the prototypes in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sgpd.cells import nearest_centroid
from sgpd.embeddings import stored
from sgpd.scoring import products

_FOR_A_DOCUMENT = 512
_FOR_A_QUERY = 1_024


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Rows [V, d], rounded to fp16, that lie in C cells; answers which are nearest to a vector."""

    rows: NDArray[np.float32]
    offsets: NDArray[np.int64]
    """Shape [C + 1]: rows `offsets[c]:offsets[c + 1]` lie in cell c, one at least."""

    def of_documents(
        self, x: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The `count` nearest rows to stored vectors [n, d], best first, and their products.

        They are looked for in the cells nearest to the vector's own. Every product is exact (fp16
        values, float64 sums), so that the answer for a vector is the same in any batch.
        """
        own = nearest_centroid(x, self._heads)
        order = np.argsort(own, kind="stable")
        found, first = np.unique(own[order], return_index=True)
        near = self._nearest_cells(self._cells_for(count, _FOR_A_DOCUMENT))
        nearest = np.empty((len(x), count), np.int64)
        scores = np.empty((len(x), count))
        bounds = [*first.tolist(), len(x)]
        for cell, start, stop in zip(found.tolist(), bounds[:-1], bounds[1:], strict=True):
            members, candidates = order[start:stop], self._within(near[cell])
            exact = x[members].astype(np.float64) @ self.rows[candidates].T.astype(np.float64)
            best = _largest(exact, count)
            exact, rows = np.take_along_axis(exact, best, axis=1), candidates[best]
            best = np.lexsort((rows, -exact))
            nearest[members] = np.take_along_axis(rows, best, axis=1)
            scores[members] = np.take_along_axis(exact, best, axis=1)
        return nearest, scores

    def of_queries(
        self, x: NDArray[np.float32], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The `count` nearest rows to vectors [n, d], in no order, and their products.

        They are looked for in the cells nearest to the query.
        """
        nearest = np.empty((len(x), count), np.int64)
        scores = np.empty((len(x), count), np.float32)
        cells = self._cells_for(count, _FOR_A_QUERY)
        for i, query in enumerate(x):
            near = _largest(products(self._heads, query)[None], cells)[0]
            candidates = self._within(near)
            found = products(self.rows[candidates], query)
            best = _largest(found[None], count)[0]
            nearest[i], scores[i] = candidates[best], found[best]
        return nearest, scores

    @cached_property
    def _heads(self) -> NDArray[np.float32]:
        """The direction of each cell's mean row [C, d], rounded to fp16."""
        sums = np.add.reduceat(self.rows, self.offsets[:-1], axis=0, dtype=np.float64)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        return stored(sums / np.maximum(lengths, np.finfo(np.float64).tiny))

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def _cells_for(self, count: int, wanted: int) -> int:
        """How many cells to look in: any so many hold `count` rows, usual ones `wanted`."""
        enough = int(np.searchsorted(np.cumsum(np.sort(self._sizes)), count)) + 1
        usual = -(-wanted * len(self._sizes) // len(self.rows))
        return min(max(enough, usual), len(self._sizes))

    def _nearest_cells(self, count: int) -> NDArray[np.int64]:
        """The cells nearest to each cell [C, count], itself among them."""
        heads = self._heads.astype(np.float64)
        return _largest(heads @ heads.T, count)

    def _within(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows that lie in the cells."""
        sizes = self._sizes[cells]
        shift = self.offsets[cells] - np.cumsum(sizes) + sizes
        return np.arange(sizes.sum()) + np.repeat(shift, sizes)


def _largest(scores: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Columns of the `count` largest of each row [n, m], in no order."""
    return np.argpartition(scores, scores.shape[1] - count, axis=1)[:, scores.shape[1] - count :]
