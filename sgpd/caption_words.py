"""Codes over the words of captions: terms are words by construction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.activations import coded, strongest
from sgpd.codes import Codes
from sgpd.embeddings import stored
from sgpd.errors import FitError
from sgpd.lexicon import Lexicon
from sgpd.say import Say
from sgpd.training.examples import Examples
from sgpd.words import caption_words

_LEAST_CAPTIONS = 5
"""Captions that a word must be in: what fewer say cannot be learned."""
_MOST_WORDS = 4_096
_TERMS_PER_DOCUMENT = 16
_EPSILON = 1e-5
"""In the layer norm, as torch has it."""
_SUM_GRID = 2.0**20
_NORM_GRID = 2.0**12


@dataclass(frozen=True, eq=False)
class CaptionWordSparsifier:
    """Codes are the k largest of log(1 + relu(E LN(W x + b) + b_v)), one term a word.

    After Nguyen et al., "Multimodal Learned Sparse Retrieval with Probabilistic Expansion Control"
    (D2S, 2024); what is trained, and how, is in `sgpd.training.caption_words`.
    """

    projection: NDArray[np.float32]
    """W, shape [d, d], rounded to fp16."""
    biases: NDArray[np.float32]
    """b, shape [d], rounded to fp16."""
    words: NDArray[np.float32]
    """E, shape [V, d], rounded to fp16."""
    word_biases: NDArray[np.float32]
    """b_v, shape [V]."""
    lexicon: Lexicon
    terms_per_document: int
    """k of documents."""
    name: str = "caption-words"

    @classmethod
    def fit(
        cls,
        examples: Examples,
        texts: Sequence[str],
        most_words: int | None,
        steps: int,
        seed: int,
        report: Say,
    ) -> CaptionWordSparsifier:
        """Train on stored embeddings and the captions [m] that the examples' texts embed.

        The same for the same examples, seed and libraries. FitError where there are no captions,
        or no word is in enough of them.
        """
        from sgpd.training.caption_words import train_word_head

        if not len(texts):
            raise FitError("caption-words needs captions; give some, or choose another sparsifier")
        sets = [caption_words(text) for text in texts]
        common = Counter(word for words in sets for word in words).most_common()
        known = sorted(
            w for w, count in common[: most_words or _MOST_WORDS] if count >= _LEAST_CAPTIONS
        )
        if not known:
            raise FitError(
                f"no word is in {_LEAST_CAPTIONS} captions, but caption-words needs such words; "
                "give more captions, or choose another sparsifier"
            )
        number = {word: i for i, word in enumerate(known)}
        spoken = [sorted(number[word] for word in words if word in number) for words in sets]
        head = train_word_head(
            examples, spoken, len(known), _TERMS_PER_DOCUMENT, steps, seed, report
        )
        return cls(
            stored(head["projection"]),
            stored(head["biases"]),
            stored(head["words"]),
            head["word_biases"],
            Lexicon(tuple(known)),
            _TERMS_PER_DOCUMENT,
        )

    def encode_documents(self, x: NDArray[np.float32]) -> Codes:
        """Codes of embeddings [n, d], the same for a row in any batch.

        What sums are taken of is rounded to grids so coarse that float64 adds it without rounding.
        """
        return coded(x, self._activations, self.terms_per_document)

    def encode_queries(self, x: NDArray[np.float32], terms: int) -> Codes:
        """The strongest words of embeddings [n, d], no more than a document has."""
        count = min(terms, self.terms_per_document)
        return strongest(self._activations(x.astype(np.float64)), count)

    def _activations(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        projected = _on_grid(x @ self.projection.T.astype(np.float64) + self.biases, _SUM_GRID)
        centred = projected - _on_grid(projected.mean(axis=1, keepdims=True), _SUM_GRID)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        hidden = _on_grid(centred / np.sqrt(variance + _EPSILON), _NORM_GRID)
        scores = hidden @ self.words.T.astype(np.float64) + self.word_biases
        return np.log1p(np.maximum(scores, 0))

    ARRAYS = ("projection", "biases", "words", "word_biases")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps besides the lexicon."""
        settings = np.array([self.terms_per_document], np.int64)
        return {**{name: getattr(self, name) for name in self.ARRAYS}, "settings": settings}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], lexicon: Lexicon
    ) -> CaptionWordSparsifier:
        """A sparsifier as saved by `arrays`."""
        (terms_per_document,) = arrays["settings"].tolist()
        projection, biases, words, word_biases = (arrays[name] for name in cls.ARRAYS)
        return cls(projection, biases, words, word_biases, lexicon, terms_per_document)


def _on_grid(x: NDArray[np.float64], grid: float) -> NDArray[np.float64]:
    """Rounded to multiples of 1 / grid."""
    return np.rint(x * grid) / grid
