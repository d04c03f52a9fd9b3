"""Explains in words: what an entry or a query became, and what a hit shares with the query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from query_service.answer import MatchedTerm
from query_service.deadline import check_time
from scenestore import keys as key_space
from scenestore.entry import Entry, Kind
from scenestore.generation import Generation
from scenestore.ports import Found
from sgpd.embeddings import stored

_WORDS = 5
"""Plain words of a query or a cell, at most."""

Code = tuple[NDArray[np.uint32], NDArray[np.float32]]
"""Terms and weights of one code."""


@dataclass(frozen=True)
class ExplainedCell:
    """A dense cluster, told by its centroid."""

    cell: int
    vectors: int
    """Vectors that lie in it, dead ones included until they are compacted."""
    words: tuple[str, ...]
    """Plain words of the centroid; none where the bundle has no concepts."""


@dataclass(frozen=True)
class Explanation:
    """What the guide sees of an entry or of a query."""

    words: tuple[str, ...]
    """Plain words, best first."""
    terms: tuple[MatchedTerm, ...]
    """The code, strongest first."""
    cell: ExplainedCell
    """Where it lies, or would lie."""
    entry: Entry | None = None
    """The entry; None for a query."""


class Explainer:
    """Reads codes back from the batch folders."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def terms(self, kind: Kind, query: Code) -> tuple[MatchedTerm, ...]:
        """The query's own terms, strongest first, with their share of its weight."""
        return self._named(kind, *query)

    def matched(
        self, kind: Kind, query: Code, keys: Sequence[int]
    ) -> dict[int, tuple[MatchedTerm, ...]]:
        """The terms that the entry of each key shares with the query, strongest first.

        Keys of one batch share its opening: that takes ten times as long as to read a code.
        """
        found: dict[int, tuple[MatchedTerm, ...]] = {}
        for _, alike in groupby(sorted(keys), lambda key: key >> key_space.ROW_BITS):
            check_time()
            of_batch = list(alike)
            for key, (entry_terms, entry_weights) in self._codes(kind, of_batch).items():
                terms, here, there = np.intersect1d(
                    query[0], entry_terms, assume_unique=True, return_indices=True
                )
                found[key] = self._named(kind, terms, query[1][here] * entry_weights[there])
        return found

    def entry(self, found: Found) -> Explanation:
        """A live entry by its stored code and cell."""
        kind = found.entry.identity.kind
        key = np.array([found.key])
        cell = int(self._generation.reader.segments(kind, holding=key).cells_of(key)[0])
        terms = self._named(kind, *self._codes(kind, [found.key])[found.key])
        return Explanation(found.entry.top_terms, terms, self._cell(kind, cell), found.entry)

    def query(
        self, kind: Kind, embedding: NDArray[np.float32], code: Code, is_image: bool
    ) -> Explanation:
        """A query [d] by its code; an image has plain words too, a text says its own."""
        x = stored(embedding[None])
        cell = int(self._generation.bundle.space(kind).cells.assign(x)[0])
        words = self._words("chip", x) if is_image else ()
        return Explanation(words, self.terms(kind, code), self._cell(kind, cell))

    def _cell(self, kind: Kind, cell: int) -> ExplainedCell:
        centroid = self._generation.bundle.space(kind).cells.centroids[cell]
        vectors = int(self._generation.reader.segments(kind).counts[cell])
        return ExplainedCell(cell, vectors, self._words(kind, centroid[None]))

    def _words(self, kind: Kind, x: NDArray[np.float32]) -> tuple[str, ...]:
        concepts = self._generation.bundle.space(kind).concepts
        return concepts.strongest(x, _WORDS)[0] if concepts is not None else ()

    def _codes(self, kind: Kind, keys: Sequence[int]) -> dict[int, Code]:
        """The stored codes of entries of one batch, by key."""
        batch = self._generation.batch(int(key_space.ordinals(np.array(keys[:1]))[0]))
        codes = batch.codes(kind)
        rows = np.searchsorted(batch.keys(kind), keys).tolist()
        return {key: codes.row(row) for key, row in zip(keys, rows, strict=True)}

    def _named(
        self, kind: Kind, terms: NDArray[np.uint32], weights: NDArray[np.float32]
    ) -> tuple[MatchedTerm, ...]:
        lexicon = self._generation.bundle.space(kind).sparsifier.lexicon
        total = float(weights.sum()) or 1.0
        return tuple(
            MatchedTerm(
                lexicon.terms[terms[i]],
                lexicon.words[terms[i]],
                float(weights[i]),
                float(weights[i]) / total,
            )
            for i in np.argsort(-weights, kind="stable")
        )
