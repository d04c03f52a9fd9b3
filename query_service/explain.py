"""Explains hits in terms: what query and entry share, and how much of the sparse score it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from query_service.answer import MatchedTerm
from scenestore import keys as key_space
from scenestore.entry import Kind
from scenestore.generation import Generation

Code = tuple[NDArray[np.uint32], NDArray[np.float32]]
"""Terms and weights of one code."""


class Explainer:
    """Reads codes back from the batch folders."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def terms(self, kind: Kind, query: Code) -> tuple[MatchedTerm, ...]:
        """The query's own terms, strongest first, with their share of its weight."""
        return self._named(kind, *query)

    def matched(self, kind: Kind, query: Code, key: int) -> tuple[MatchedTerm, ...]:
        """The terms that the entry of a key shares with the query, strongest first."""
        one = np.array([key])
        batch = self._generation.batch(int(key_space.ordinals(one)[0]))
        row = int(np.searchsorted(batch.keys(kind), key))
        entry_terms, entry_weights = batch.codes(kind).row(row)
        terms, here, there = np.intersect1d(
            query[0], entry_terms, assume_unique=True, return_indices=True
        )
        return self._named(kind, terms, query[1][here] * entry_weights[there])

    def _named(
        self, kind: Kind, terms: NDArray[np.uint32], weights: NDArray[np.float32]
    ) -> tuple[MatchedTerm, ...]:
        lexicon = self._generation.bundle.space(kind).sparsifier.lexicon
        total = float(weights.sum()) or 1.0
        return tuple(
            MatchedTerm(lexicon.terms[terms[i]], lexicon.words[terms[i]], float(weights[i]) / total)
            for i in np.argsort(-weights, kind="stable")
        )
