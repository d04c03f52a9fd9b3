"""Tracing: looking at queries once, so that searches of them can be replayed.

Vectors are read once for all queries; places number them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from sgpd.replay import ExactGuide, Trace
from sgpd.scoring import exact_scores, top_places
from sgpd.sparsifier import Sparsifier

_BLOCK = 16_384
_MANY = 256
"""Places left out from which a query is looked at on its own: all would have to keep as many."""
_SLACK = 16
"""Looked at beyond the depth: FAISS sums in another order, and near scores may change places."""


class Gallery(Protocol):
    """Stored vectors with their codes, cells and keys, by place."""

    def __len__(self) -> int:
        """How many places there are."""
        ...

    @property
    def counts(self) -> NDArray[np.int64]:
        """Vectors in each cell, [C]."""
        ...

    def touched(
        self, terms: NDArray[np.uint32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Places whose codes hold any of a query's terms, ascending, and their sparse scores."""
        ...

    def vectors_at(self, places: NDArray[np.int64]) -> NDArray[np.floating]:
        """The stored vectors at the places, [n, d]."""
        ...

    def cells_at(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cell of each place, [n]."""
        ...

    def keys_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The keys at ascending places, [n]."""
        ...


Where = TypeVar("Where")


def in_turns(
    count: int,
    filters: Sequence[Where],
    look: Callable[[NDArray[np.int64], Where], Iterable[Trace]],
) -> list[Trace]:
    """Traces of so many queries, each under one of the filters, which take turns.

    `look` traces the queries of the given rows under a filter.
    """
    turns = [np.arange(first, count, len(filters)) for first in range(len(filters))]
    found = [list(look(rows, where)) for rows, where in zip(turns, filters, strict=True)]
    return [found[row % len(filters)][row // len(filters)] for row in range(count)]


def trace(
    gallery: Gallery,
    sparsifier: Sparsifier,
    queries: NDArray[np.float32],
    *,
    depth: int,
    query_terms: Sequence[int],
    guide_size: int,
    allowed: NDArray[np.bool_] | None = None,
    without: Sequence[NDArray[np.int64]] | None = None,
    narrowed: bool = False,
) -> Iterator[Trace]:
    """Look at queries [n, d]: their guides with exact scores, and the true top `depth`.

    allowed [N]: which places searches may return (live ones, those that pass a filter); without:
    for each query places that its search leaves out beside, as its own scene; narrowed: whether
    `allowed` is what passes a filter.
    """
    may = np.ones(len(gallery), bool) if allowed is None else allowed
    left_out = without or [np.empty(0, np.int64)] * len(queries)
    codes = [(terms, sparsifier.encode_queries(queries, terms)) for terms in query_terms]
    ordinary = [places if len(places) <= _MANY else places[:0] for places in left_out]
    best = _nearest(gallery, queries, may, depth + _SLACK + max(map(len, ordinary), default=0))
    matches = _by_cell(gallery, np.flatnonzero(may)) if narrowed else None
    for index, query in enumerate(queries):
        hits = {}
        for terms, code in codes:
            places, sparse = gallery.touched(*code.row(index))
            kept = may[places] & ~np.isin(places, left_out[index])
            places, sparse = places[kept], sparse[kept]
            keys = gallery.keys_at(places)
            order = top_places(keys, sparse, guide_size)
            hits[terms] = keys[order], sparse[order], places[order]
        true = best[index]
        if len(left_out[index]) > _MANY:
            rest = may.copy()
            rest[left_out[index]] = False
            (true,) = _nearest(gallery, query[None], rest, depth + _SLACK)
        true = np.sort(true[true >= 0])
        true = true[~np.isin(true, left_out[index])]
        # The guides of a query have most documents in common: each is read once.
        read = np.unique(np.concatenate([true, *(places for _, _, places in hits.values())]))
        exact, cells = exact_scores(query, gallery.vectors_at(read)), gallery.cells_at(read)
        guides = {}
        for terms, (keys, sparse, places) in hits.items():
            rows = np.searchsorted(read, places)
            guides[terms] = ExactGuide(keys, sparse, exact[rows], cells[rows])
        rows = np.searchsorted(read, true)
        keys = gallery.keys_at(true)
        order = top_places(keys, exact[rows], depth)
        rows = rows[order]
        held = matches
        if matches is not None and len(left_out[index]):
            held = matches - _by_cell(gallery, left_out[index][may[left_out[index]]])
        yield Trace(query, guides, keys[order], exact[rows], cells[rows], held)


def _by_cell(gallery: Gallery, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of the places lie in each cell, [C]."""
    return np.bincount(gallery.cells_at(places), minlength=len(gallery.counts))


def _nearest(
    gallery: Gallery, queries: NDArray[np.float32], allowed: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Places [n, count] of the vectors nearest to each query by FAISS; -1 where there are fewer."""
    scores = np.full((len(queries), count), -np.inf, np.float32)
    nearest = np.full((len(queries), count), -1, np.int64)
    places = np.flatnonzero(allowed)
    x = np.ascontiguousarray(queries, np.float32)
    for start in range(0, len(places), _BLOCK):
        block = places[start : start + _BLOCK]
        vectors = np.ascontiguousarray(gallery.vectors_at(block), np.float32)
        found, rows = faiss.knn(
            x, vectors, min(count, len(block)), metric=faiss.METRIC_INNER_PRODUCT
        )
        scores = np.concatenate([scores, found], axis=1)
        nearest = np.concatenate([nearest, block[rows]], axis=1)
        kept = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        scores = np.take_along_axis(scores, kept, axis=1)
        nearest = np.take_along_axis(nearest, kept, axis=1)
    return nearest
