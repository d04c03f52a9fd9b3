"""Postings: codes turned over, from each term to the rows that hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes


@dataclass(frozen=True, eq=False)
class Postings:
    """For term `terms[i]`, the rows and weights at `indptr[i]:indptr[i + 1]`."""

    terms: NDArray[np.uint32]
    """Shape [t]: ascending, each once."""
    indptr: NDArray[np.int64]
    """Shape [t + 1]."""
    rows: NDArray[np.uint32]
    """Shape [nnz]: ascending within a term."""
    weights: NDArray[np.float32]
    """Shape [nnz]."""

    ARRAYS = ("terms", "indptr", "rows", "weights")

    @classmethod
    def build(cls, codes: Codes) -> Postings:
        """Postings of n codes; row i is the i-th code."""
        rows = np.repeat(np.arange(len(codes), dtype=np.uint32), np.diff(codes.indptr))
        return cls._of(codes.terms, rows, codes.weights)

    @classmethod
    def merge(cls, parts: Sequence[tuple[Postings, NDArray[np.int64]]]) -> Postings:
        """Several postings as one; each comes with the new row of its rows, or -1 to drop one."""
        terms: list[NDArray[np.uint32]] = [np.empty(0, np.uint32)]
        rows: list[NDArray[np.uint32]] = [np.empty(0, np.uint32)]
        weights: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
        for part, new_rows in parts:
            moved = new_rows[part.rows]
            kept = moved >= 0
            terms.append(np.repeat(part.terms, np.diff(part.indptr))[kept])
            rows.append(moved[kept].astype(np.uint32))
            weights.append(part.weights[kept])
        return cls._of(np.concatenate(terms), np.concatenate(rows), np.concatenate(weights))

    @classmethod
    def _of(
        cls,
        terms: NDArray[np.uint32],
        rows: NDArray[np.uint32],
        weights: NDArray[np.float32],
    ) -> Postings:
        order = np.lexsort((rows, terms))
        distinct, first = np.unique(terms[order], return_index=True)
        indptr = np.append(first, len(terms)).astype(np.int64)
        return cls(distinct, indptr, rows[order], weights[order])

    def scores(
        self, terms: NDArray[np.uint32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows that hold any of a query's terms, ascending, and their sparse scores."""
        return summed(*self.products(terms, weights))

    def products(
        self, terms: NDArray[np.uint32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Row and product of every posting of a query's terms; a row comes once for each term."""
        if not len(self.terms):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        place = np.minimum(np.searchsorted(self.terms, terms), len(self.terms) - 1)
        held = self.terms[place] == terms
        starts, stops = self.indptr[place[held]], self.indptr[place[held] + 1]
        lengths = stops - starts
        ends = np.cumsum(lengths)
        flat = np.arange(lengths.sum()) + np.repeat(starts - ends + lengths, lengths)
        products = self.weights[flat] * np.repeat(weights[held].astype(np.float32), lengths)
        return self.rows[flat].astype(np.int64), products

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved, by name."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Postings:
        """Postings as saved by `arrays`; memory maps are used as they are."""
        return cls(*(arrays[name] for name in cls.ARRAYS))


def summed(
    rows: NDArray[np.int64], products: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each row once, ascending, and the sum of its products.

    Lucene's arithmetic: each product in float32, the sum in double, the score in float32.
    """
    touched, member = np.unique(rows, return_inverse=True)
    return touched, np.bincount(member, products, len(touched)).astype(np.float32)
