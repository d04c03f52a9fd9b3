"""Training examples: embeddings of images, and of texts where there are captions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_IMAGES = 512
QUERIES = 128
"""Texts of a batch, and images that ask for images."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of the examples; the first images are those that the first texts describe."""

    images: NDArray[np.int64]
    texts: NDArray[np.int64]
    pairs: int
    """How many texts come with their image."""


@dataclass(frozen=True, eq=False)
class Examples:
    """What a sparsifier is trained on."""

    images: NDArray[np.float32]
    """Shape [n, d]."""
    texts: NDArray[np.float32]
    """Shape [m, d]; m is 0 where there are no captions."""
    rows: NDArray[np.int64]
    """Shape [m]: the image that each text describes, or -1."""

    def batch(self, rng: np.random.Generator) -> Batch:
        """Different images at random; texts of as many of them, or any texts where none describe.

        Of an image's texts one is taken, so that no two pairs of a batch are of one image.
        """
        described, starts = self._described
        chosen = rng.permutation(len(described))[:QUERIES]
        ends = np.append(starts[1:], len(self._by_image))
        texts = self._by_image[rng.integers(starts[chosen], ends[chosen])] if len(chosen) else None
        if texts is None:
            texts = rng.permutation(len(self.texts))[:QUERIES]
        pairs = len(chosen)
        others = rng.permutation(len(self.images))[:_IMAGES]
        others = others[~np.isin(others, described[chosen])][: max(_IMAGES - pairs, 0)]
        return Batch(np.concatenate([described[chosen], others]), texts, pairs)

    @cached_property
    def _by_image(self) -> NDArray[np.int64]:
        """Texts that describe an image, ordered by it."""
        described = np.flatnonzero(self.rows >= 0)
        return described[np.argsort(self.rows[described], kind="stable")]

    @cached_property
    def _described(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The images that have texts, and where each one's begin in `_by_image`."""
        return np.unique(self.rows[self._by_image], return_index=True)
