"""Queries with the truth about them and their guides, computed once for all ways of searching."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.coded import Coded
from benchmarks.corpus import Corpus, Queries
from sgpd.scoring import top_places

K = 10
GUIDE_SIZE = 1_000
QUERY_TERMS = 64
NEAR = 300
_BLOCK = 128
"""Queries at a time: their products with 300,000 chips take 150 MB."""


@dataclass(frozen=True, eq=False)
class Asked:
    """m queries over one coded corpus."""

    queries: NDArray[np.float32]
    """Shape [m, d]."""
    near: NDArray[np.int64]
    """Shape [m, NEAR]: rows of the nearest chips, best first."""
    by_image: NDArray[np.int64]
    """Shape [m, K]: rows of the best chip of each of the K best images."""
    guide: NDArray[np.int64]
    """Shape [m, GUIDE_SIZE]: rows of the sparse hits, best first; -1 where there are fewer."""
    sparse: NDArray[np.float32]
    """Shape [m, GUIDE_SIZE]: their sparse scores, 0 where there is none."""
    exact: NDArray[np.float32]
    """Shape [m, GUIDE_SIZE]: their exact scores, -inf where there is none."""
    postings: float
    """Postings touched a query, as a share of the chips."""

    def __len__(self) -> int:
        return len(self.queries)

    @property
    def truth(self) -> NDArray[np.int64]:
        """Shape [m, K]: rows of the exhaustive top K."""
        return self.near[:, :K]


def ask(corpus: Corpus, coded: Coded, queries: Queries, most: int) -> Asked:
    """Up to `most` queries, evenly spread, searched exhaustively and by sparse codes."""
    count = len(queries.vectors)
    x = queries.vectors[np.linspace(0, count - 1, min(most, count)).astype(np.int64)]
    codes = coded.space.sparsifier.encode_queries(x, QUERY_TERMS)
    firsts = np.flatnonzero(np.diff(corpus.source, prepend=-1))
    near = np.empty((len(x), NEAR), np.int64)
    by_image = np.empty((len(x), K), np.int64)
    guide = np.full((len(x), GUIDE_SIZE), -1)
    sparse = np.zeros((len(x), GUIDE_SIZE), np.float32)
    exact = np.full((len(x), GUIDE_SIZE), -np.inf, np.float32)
    for start in range(0, len(x), _BLOCK):
        products = x[start : start + _BLOCK] @ corpus.chips.T
        for i, scores in enumerate(products, start):
            near[i] = _best(scores, NEAR)
            by_image[i] = _best_of_images(scores, firsts)
            rows, weights = coded.postings.scores(*codes.row(i))
            places = top_places(rows.astype(np.int64), weights, GUIDE_SIZE)
            guide[i, : len(places)] = rows[places]
            sparse[i, : len(places)] = weights[places]
            exact[i, : len(places)] = scores[rows[places]]
    lengths = dict(
        zip(coded.postings.terms.tolist(), np.diff(coded.postings.indptr).tolist(), strict=True)
    )
    touched = sum(lengths.get(term, 0) for term in codes.terms.tolist())
    return Asked(
        x, near, by_image, guide, sparse, exact, touched / max(len(x), 1) / len(corpus.chips)
    )


def _best(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    places = np.argpartition(-scores, count)[:count]
    return places[np.lexsort((places, -scores[places]))]


def _best_of_images(scores: NDArray[np.float32], firsts: NDArray[np.int64]) -> NDArray[np.int64]:
    images = _best(np.maximum.reduceat(scores, firsts), K)
    stops = np.append(firsts, len(scores))
    return np.array([stops[i] + scores[stops[i] : stops[i + 1]].argmax() for i in images])
