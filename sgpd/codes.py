"""Codes: sparse non-negative vectors in compressed rows (CSR), rounded as Lucene rounds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_KEPT_BITS = np.uint32(0xFFFF8000)
"""Lucene's FeatureField keeps sign, exponent and 8 mantissa bits of a float32, truncated."""
_SMALLEST = np.finfo(np.float32).tiny
"""Lucene refuses weights that are not normal float32 numbers."""


def round_weights(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Truncate float32 weights, any shape, to the 9 significant bits that rank_features keeps."""
    bits = np.ascontiguousarray(weights, dtype=np.float32).view(np.uint32)
    return (bits & _KEPT_BITS).view(np.float32)


@dataclass(frozen=True)
class Codes:
    """n codes; row i holds `terms[indptr[i]:indptr[i + 1]]`, ascending, and their weights > 0."""

    indptr: NDArray[np.int64]
    """Shape [n + 1]."""
    terms: NDArray[np.uint32]
    """Shape [nnz]: term ids, positions in the lexicon."""
    weights: NDArray[np.float32]
    """Shape [nnz]."""

    @classmethod
    def from_rows(cls, terms: NDArray[np.integer], weights: NDArray[np.floating]) -> Codes:
        """Codes from dense [n, m] terms and weights; weights that are not normal and > 0 drop."""
        order = np.argsort(terms, axis=1, kind="stable")
        terms = np.take_along_axis(terms, order, axis=1)
        weights = np.take_along_axis(weights, order, axis=1).astype(np.float32)
        kept = weights >= _SMALLEST
        indptr = np.zeros(len(terms) + 1, np.int64)
        np.cumsum(kept.sum(axis=1), out=indptr[1:])
        return cls(indptr, terms[kept].astype(np.uint32), weights[kept])

    @classmethod
    def concatenate(cls, parts: Sequence[Codes]) -> Codes:
        """The codes of all parts, in their order; at least one part."""
        lengths = np.concatenate([np.diff(part.indptr) for part in parts])
        indptr = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        terms = np.concatenate([part.terms for part in parts])
        return cls(indptr, terms, np.concatenate([part.weights for part in parts]))

    def rounded(self) -> Codes:
        """The same codes with weights as rank_features keeps them (documents, never queries)."""
        return Codes(self.indptr, self.terms, round_weights(self.weights))

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def row(self, index: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Terms and weights of one code."""
        start, stop = self.indptr[index], self.indptr[index + 1]
        return self.terms[start:stop], self.weights[start:stop]

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.float32]]]:
        return (self.row(i) for i in range(len(self)))

    def take(self, rows: NDArray[np.integer]) -> Codes:
        """The codes of the given rows, in that order."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=indptr[1:])
        flat = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return Codes(indptr, self.terms[flat], self.weights[flat])
