"""BM25 over the captions of images, as Lucene and SQLite's FTS5 reckon it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.bundled_model.vocabulary import clean

_K1, _B = 1.2, 0.75


@dataclass(frozen=True, eq=False)
class Captions:
    """Captions, each of an image; the captions of an image are one document."""

    texts: tuple[str, ...]
    images: NDArray[np.int64]
    """Shape [m]: the image of each."""
    counts: NDArray[np.float32]
    """Shape [m, v]: how often each word is in each."""
    words: dict[str, int]

    @classmethod
    def of(cls, texts: Sequence[str], images: Sequence[int]) -> Captions:
        """The captions with their words, lower case and without signs."""
        cleaned = tuple(clean(text) for text in texts)
        every = sorted({word for text in cleaned for word in text.split()})
        words = {word: i for i, word in enumerate(every)}
        counts = np.zeros((len(cleaned), len(words)), np.float32)
        for row, text in enumerate(cleaned):
            for word in text.split():
                counts[row, words[word]] += 1
        return cls(cleaned, np.asarray(images, np.int64), counts, words)

    def scores(
        self, query: str, size: int, shown: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """The score of each of `size` images, 0 where no word is shared.

        shown [size]: whose captions are indexed at all. A caption with the words of the query is
        never indexed, whatever image it is of: people do not ask in the words of a caption.
        """
        asked = clean(query)
        kept = np.array([text != asked for text in self.texts])
        if shown is not None:
            kept &= shown[self.images]
        document, counts = np.unique(self.images[kept], return_inverse=True)[0], self.counts[kept]
        held = np.zeros((len(document), counts.shape[1]), np.float32)
        np.add.at(held, np.searchsorted(document, self.images[kept]), counts)
        scores = np.zeros(size, np.float32)
        if not len(document):
            return scores
        lengths = held.sum(axis=1)
        norms = _K1 * (1 - _B + _B * lengths / lengths.mean())
        for word in asked.split():
            if word in self.words:
                often = held[:, self.words[word]]
                found = int(np.count_nonzero(often))
                rarity = np.log(1 + (len(document) - found + 0.5) / (found + 0.5))
                scores[document] += np.float32(rarity) * often / (often + norms)
        return scores
