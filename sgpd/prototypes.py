"""Codes as mixtures of prototypes, the fine centroids of the codebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes
from sgpd.embeddings import stored
from sgpd.lexicon import Lexicon
from sgpd.neighbours import Neighbours

_BLOCK = 256
"""Mixtures solved at once."""
_LEAST_COSINE = -1.0


@dataclass(frozen=True, eq=False)
class MixtureSettings:
    """How a document becomes a mixture."""

    neighbours: int = 16
    """Nearest prototypes that it may be made of. Measured on 30,000 real chips: of 32 a document
    keeps terms that are farther off, so that queries read a fifth more postings for no recall."""
    terms_per_document: int = 8
    """Largest weights that are kept."""
    sweeps: int = 25
    """Most sweeps of coordinate descent."""


@dataclass(frozen=True, eq=False)
class PrototypeSparsifier:
    """Documents are non-negative mixtures of prototypes; queries name the prototypes nearest."""

    prototypes: NDArray[np.float32]
    """Shape [V, d]: rows of unit length, rounded to fp16."""
    lexicon: Lexicon
    settings: MixtureSettings = MixtureSettings()
    offsets: NDArray[np.int64] | None = None
    """Shape [C + 1]: prototypes `offsets[c]:offsets[c + 1]` lie in cell c; None: in one."""
    name: str = "prototypes"

    def encode_documents(self, x: NDArray[np.float32]) -> Codes:
        """Codes of embeddings [n, d], the same for a row in any batch.

        Which prototypes are near is decided exactly, and the mixture is computed with the same
        operations for every row.
        """
        x = stored(x)
        count = min(self.settings.neighbours, len(self.prototypes))
        nearest, similarity = self._neighbours.of_documents(x, count)
        width = min(self.settings.terms_per_document, nearest.shape[1])
        terms = np.zeros((len(x), width), np.int64)
        weights = np.zeros((len(x), width), np.float32)
        for start in range(0, len(x), _BLOCK):
            block = slice(start, start + _BLOCK)
            members = self.prototypes[nearest[block]]
            gram = members @ members.transpose(0, 2, 1)
            found = mixture_weights(gram, similarity[block], self.settings.sweeps)
            kept = np.argsort(-found, axis=1, kind="stable")[:, :width]
            terms[block] = np.take_along_axis(nearest[block], kept, axis=1)
            weights[block] = np.take_along_axis(found, kept, axis=1)
        return Codes.from_rows(terms, weights).rounded()

    def encode_queries(self, x: NDArray[np.float32], terms: int) -> Codes:
        """The strongest `terms` prototypes of embeddings [n, d], each by how far it beats the next.

        Weights are s_i - s_(b+1). Where there is no b + 1st prototype, the least cosine stands for
        it: any constant gives the same order of documents, whose weights sum to about 1.
        """
        if terms >= len(self.prototypes):
            scores = x @ self.prototypes.T
            every = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
            return Codes.from_rows(every, scores - _LEAST_COSINE)
        nearest, scores = self._neighbours.of_queries(x, terms + 1)
        return Codes.from_rows(nearest, scores - scores.min(axis=1, keepdims=True))

    @cached_property
    def _neighbours(self) -> Neighbours:
        whole = np.array([0, len(self.prototypes)])
        return Neighbours(self.prototypes, whole if self.offsets is None else self.offsets)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps besides the lexicon."""
        made = self.settings
        numbers = np.array([made.neighbours, made.terms_per_document, made.sweeps], np.int64)
        found: dict[str, NDArray[Any]] = {"prototypes": self.prototypes, "settings": numbers}
        return found if self.offsets is None else {**found, "offsets": self.offsets}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], lexicon: Lexicon
    ) -> PrototypeSparsifier:
        """A sparsifier as saved by `arrays`."""
        settings = MixtureSettings(*arrays["settings"].tolist())
        return cls(arrays["prototypes"], lexicon, settings, arrays.get("offsets"))


def mixture_weights(
    gram: NDArray[np.floating], similarity: NDArray[np.floating], sweeps: int
) -> NDArray[np.floating]:
    """Weights w >= 0 [n, m] that minimise 1/2 |x - sum w_i mu_i|^2 + 1/2 (1 - sum w_i)^2.

    gram [n, m, m]: products of the m prototypes mu_i of each row; similarity [n, m]: products of x
    with them. Coordinate descent in the precision of the gram; every row goes through the same
    operations.
    """
    curvature = np.ascontiguousarray(gram.transpose(1, 2, 0)) + gram.dtype.type(1)
    gradient = -(similarity.T.astype(gram.dtype) + 1)
    weights = np.zeros_like(gradient)
    for _ in range(sweeps):
        for j in range(len(weights)):
            moved = np.maximum(weights[j] - gradient[j] / curvature[j, j], 0) - weights[j]
            weights[j] += moved
            gradient += moved * curvature[j]
    return np.asarray(weights.T)
