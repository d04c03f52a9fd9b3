"""Codes as mixtures of prototypes, the fine centroids of the codebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes
from sgpd.embeddings import stored
from sgpd.lexicon import Lexicon
from sgpd.scoring import products

_BLOCK = 256
"""Rows encoded at once: their scores against 16,384 prototypes take 32 MiB."""
_LEAST_COSINE = -1.0
_FOLD = 16
"""Fastest of 8, 16, 32 and 64 at V = 4,096 and 16,384."""


@dataclass(frozen=True, eq=False)
class MixtureSettings:
    """How a document becomes a mixture."""

    neighbours: int = 32
    """Nearest prototypes that it may be made of."""
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
    name: str = "prototypes"

    def encode_documents(self, x: NDArray[np.float32]) -> Codes:
        """Codes of embeddings [n, d], the same for a row in any batch.

        Every sum that decides which prototypes are near is exact (fp16 values, float64 sums), and
        the mixture is computed with the same operations for every row.
        """
        prototypes = self.prototypes.astype(np.float64)
        width = min(self.settings.terms_per_document, len(prototypes))
        terms = np.zeros((len(x), width), np.int64)
        weights = np.zeros((len(x), width))
        for start in range(0, len(x), _BLOCK):
            block = slice(start, start + _BLOCK)
            terms[block], weights[block] = self._mixtures(stored(x[block]), prototypes, width)
        return Codes.from_rows(terms, weights).rounded()

    def encode_queries(self, x: NDArray[np.float32], terms: int) -> Codes:
        """The strongest `terms` prototypes of embeddings [n, d], each by how far it beats the next.

        Weights are s_i - s_(b+1). Where there is no b + 1st prototype, the least cosine stands for
        it: any constant gives the same order of documents, whose weights sum to about 1.
        """
        scores = products(self.prototypes, x[0])[None] if len(x) == 1 else x @ self.prototypes.T
        if terms < scores.shape[1]:
            nearest = _largest(scores, terms + 1)
            strongest = np.take_along_axis(scores, nearest, axis=1)
            return Codes.from_rows(nearest, strongest - strongest.min(axis=1, keepdims=True))
        every = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        return Codes.from_rows(every, scores - _LEAST_COSINE)

    def _mixtures(
        self, x: NDArray[np.float32], prototypes: NDArray[np.float64], width: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        scores = x.astype(np.float64) @ prototypes.T
        nearest = _largest(scores, min(self.settings.neighbours, len(prototypes)))
        similarity = np.take_along_axis(scores, nearest, axis=1)
        order = np.lexsort((nearest, -similarity))
        nearest = np.take_along_axis(nearest, order, axis=1)
        similarity = np.take_along_axis(similarity, order, axis=1)
        members = prototypes[nearest]
        gram = members @ members.transpose(0, 2, 1)
        weights = mixture_weights(gram, similarity, self.settings.sweeps)
        kept = np.argsort(-weights, axis=1, kind="stable")[:, :width]
        return np.take_along_axis(nearest, kept, axis=1), np.take_along_axis(weights, kept, axis=1)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps besides the lexicon."""
        made = self.settings
        numbers = np.array([made.neighbours, made.terms_per_document, made.sweeps], np.int64)
        return {"prototypes": self.prototypes, "settings": numbers}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], lexicon: Lexicon
    ) -> PrototypeSparsifier:
        """A sparsifier as saved by `arrays`."""
        settings = MixtureSettings(*arrays["settings"].tolist())
        return cls(arrays["prototypes"], lexicon, settings)


def mixture_weights(
    gram: NDArray[np.float64], similarity: NDArray[np.float64], sweeps: int
) -> NDArray[np.float64]:
    """Weights w >= 0 [n, m] that minimise 1/2 |x - sum w_i mu_i|^2 + 1/2 (1 - sum w_i)^2.

    gram [n, m, m]: products of the m prototypes mu_i of each row; similarity [n, m]: products of x
    with them. Coordinate descent; every row goes through the same operations.
    """
    curvature = np.ascontiguousarray(gram.transpose(1, 2, 0)) + 1
    gradient = -(similarity.T + 1)
    weights = np.zeros_like(gradient)
    for _ in range(sweeps):
        for j in range(len(weights)):
            moved = np.maximum(weights[j] - gradient[j] / curvature[j, j], 0) - weights[j]
            weights[j] += moved
            gradient += moved * curvature[j]
    return np.asarray(weights.T)


def _largest(scores: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """Columns of the `count` largest of each row [n, V], in no order.

    V is folded first: the columns that share one of the `count` largest maxima hold them all,
    which takes a quarter of the time of a selection among all V = 16,384.
    """
    folded = scores.shape[1] // _FOLD
    if folded <= count:
        return _largest_of(scores, count)
    body = scores[:, : folded * _FOLD].reshape(len(scores), _FOLD, folded)
    leaders = _largest_of(body.max(axis=1), count)
    layers = np.arange(0, folded * _FOLD, folded)
    columns = (leaders[:, None, :] + layers[:, None]).reshape(len(scores), -1)
    rest = np.arange(folded * _FOLD, scores.shape[1])
    columns = np.hstack([columns, np.broadcast_to(rest, (len(scores), len(rest)))])
    best = _largest_of(np.take_along_axis(scores, columns, axis=1), count)
    return np.take_along_axis(columns, best, axis=1)


def _largest_of(scores: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    return np.argpartition(scores, scores.shape[1] - count, axis=1)[:, scores.shape[1] - count :]
