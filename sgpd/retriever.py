"""The whole method in memory: for researchers, and the oracle of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgpd.bundle import Space
from sgpd.cells import CellStatistics
from sgpd.embeddings import checked, stored
from sgpd.evidence import Evidence
from sgpd.guide import Guide, score_guide
from sgpd.plan import RECALL_SETTINGS, OpenedCell, Settings, plan_cells
from sgpd.postings import Postings
from sgpd.replay import Trace
from sgpd.scoring import exact_scores, top
from sgpd.selector import Selector
from sgpd.tracing import trace


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to one query."""

    keys: NDArray[np.int64]
    """Shape [<= k], in order (-score, key)."""
    scores: NDArray[np.float32]
    """Shape [<= k]: exact scores."""
    scanned: int
    """Vectors scored."""
    opened: tuple[OpenedCell, ...] = ()
    """Cells opened, best first."""


class Retriever:
    """Searches stored vectors, guided or exhaustively."""

    def __init__(
        self,
        space: Space,
        embeddings: ArrayLike,
        keys: NDArray[np.int64] | None = None,
        selector: Selector | None = None,
    ) -> None:
        """Index embeddings [n, d] under the given keys [n] (by default their rows)."""
        given = checked(embeddings, space.cells.centroids.shape[1])
        names = np.arange(len(given)) if keys is None else np.asarray(keys, np.int64)
        cells = space.cells.assign(given)
        order = np.lexsort((names, cells))
        self._space = space
        self._order = order
        self._selector = selector
        self._vectors = stored(given[order])
        self._keys = names[order]
        self._by_key = np.argsort(self._keys)
        self._offsets = np.searchsorted(cells[order], np.arange(len(space.cells) + 1))
        self._postings = Postings.build(space.sparsifier.encode_documents(self._vectors))
        self.statistics: CellStatistics = space.cells.prior + CellStatistics.measure(
            self._vectors, cells[order], len(space.cells), space.cells.prior.basis
        )

    def __len__(self) -> int:
        return len(self._keys)

    def search(
        self,
        queries: ArrayLike,
        k: int = 10,
        how: Settings | Literal["exhaustive"] = RECALL_SETTINGS[0.99],
    ) -> list[Result]:
        """The best k of each query [n, d]."""
        checked_queries = checked(queries, self._vectors.shape[1], "queries")
        if not isinstance(how, Settings):
            return [self._exhaustive(query, k) for query in checked_queries]
        codes = self._space.sparsifier.encode_queries(checked_queries, how.query_terms)
        return [
            self._guided(query, self._guide(*code, how.guide_size), k, how)
            for query, code in zip(checked_queries, codes, strict=True)
        ]

    def traces(
        self,
        queries: ArrayLike,
        depth: int,
        query_terms: Sequence[int] = (RECALL_SETTINGS[0.99].query_terms,),
        guide_size: int = RECALL_SETTINGS[0.99].guide_size,
        allowed: NDArray[np.bool_] | None = None,
    ) -> list[Trace]:
        """Queries [n, d] looked at for replays: guides scored exactly, and the true top `depth`.

        allowed [N]: of which embeddings, in the order given, searches may return.
        """
        return list(
            trace(
                self,
                self._space.sparsifier,
                checked(queries, self._vectors.shape[1], "queries"),
                depth=depth,
                query_terms=query_terms,
                guide_size=guide_size,
                allowed=None if allowed is None else allowed[self._order],
                narrowed=allowed is not None,
            )
        )

    def touched(
        self, terms: NDArray[np.uint32], weights: NDArray[np.float32]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Places whose codes hold any of a query's terms, ascending, and their sparse scores."""
        rows, scores = self._postings.scores(terms, weights)
        return rows.astype(np.int64), scores

    def vectors_at(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The stored vectors at the places, [n, d]."""
        return self._vectors[places]

    def cells_at(self, places: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cell of each place, [n]."""
        return (np.searchsorted(self._offsets, places, side="right") - 1).astype(np.int32)

    def keys_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The keys at the places, [n]."""
        return self._keys[places]

    def _exhaustive(self, query: NDArray[np.float32], k: int) -> Result:
        keys, scores = top(self._keys, exact_scores(query, self._vectors), k)
        return Result(keys, scores, len(self))

    def _guide(self, terms: NDArray[np.uint32], weights: NDArray[np.float32], size: int) -> Guide:
        rows, scores = self._postings.scores(terms, weights)
        return Guide(*top(self._keys[rows], scores, size))

    def _guided(
        self, query: NDArray[np.float32], guide: Guide, k: int, settings: Settings
    ) -> Result:
        rows = self._rows_of(guide.keys)
        scored = score_guide(
            query, guide.keys, lambda part: self._vectors[rows[part]], k, settings.patience
        )
        evidence = Evidence.of(query, k, guide, scored, self.cells_at(rows))
        opened = plan_cells(evidence, self.statistics, self.counts, settings, self._selector)
        lists = [np.arange(*self._offsets[[part.cell, part.cell + 1]]) for part in opened]
        scanned = np.concatenate([np.empty(0, np.int64), *lists])
        fresh = scanned[~np.isin(self._keys[scanned], scored.keys)]
        keys, scores = top(
            np.concatenate([scored.keys, self._keys[fresh]]),
            np.concatenate([scored.scores, exact_scores(query, self._vectors[fresh])]),
            k,
        )
        return Result(keys, scores, scored.examined + len(fresh), tuple(opened))

    @property
    def counts(self) -> NDArray[np.int64]:
        """Vectors in each cell, shape [C]."""
        return np.diff(self._offsets)

    def _rows_of(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._by_key[np.searchsorted(self._keys, keys, sorter=self._by_key)]
