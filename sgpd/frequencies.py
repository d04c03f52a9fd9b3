"""Document frequencies: how evenly documents use the terms, and what queries read for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes

_DIGITS = 5
"""Of shares in summaries: a sample knows no more."""


@dataclass(frozen=True, eq=False)
class Frequencies:
    """How many of some documents hold each term; the frequencies of two sets can be added."""

    counts: NDArray[np.int64]
    """Shape [V]."""
    documents: int

    @classmethod
    def of(cls, codes: Codes, term_count: int) -> Frequencies:
        """Frequencies in the codes of documents."""
        return cls(np.bincount(codes.terms, minlength=term_count).astype(np.int64), len(codes))

    def __add__(self, other: Frequencies) -> Frequencies:
        """Frequencies in both sets of documents together."""
        return Frequencies(self.counts + other.counts, self.documents + other.documents)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share [V] of the documents that hold each term."""
        return self.counts / max(self.documents, 1)

    def touched(self, queries: Codes) -> float:
        """Postings that a query reads, as a share of the documents: the mean over the queries.

        A document that holds three of a query's terms counts three times, so that a code that
        most documents share can pass 1.
        """
        return float(self.shares[queries.terms].sum()) / max(len(queries), 1)

    def summary(self) -> dict[str, float]:
        """Terms, those that no document holds, and the shares of the fullest and the median."""
        shares = self.shares
        return {
            "terms": len(shares),
            "unused": int(np.count_nonzero(self.counts == 0)),
            "fullest": round(float(shares.max(initial=0)), _DIGITS),
            "median": round(float(np.median(shares)), _DIGITS) if len(shares) else 0.0,
        }

    def touched_by(self, **queries: Codes) -> dict[str, float]:
        """`touched` for each kind of queries that there are any of, as `touched_by_KIND`."""
        return {
            f"touched_by_{kind}": round(self.touched(codes), _DIGITS)
            for kind, codes in queries.items()
            if len(codes)
        }
