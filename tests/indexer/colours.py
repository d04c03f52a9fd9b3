"""A small real encoder: colours of an image, words of a text. No torch, the same everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgpd.embeddings import checked

SIZE = 16
DIMENSION = 32
_PROJECTION = np.random.default_rng(7).standard_normal((DIMENSION, SIZE * SIZE * 3))


class ColourEncoder:
    """Projects the pixels of a 16 x 16 picture, and hashed words, into 32 dimensions."""

    identity = "colours:1"
    dimension = DIMENSION

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if image.shape[:2] == (SIZE, SIZE):
            return image
        return np.asarray(Image.fromarray(image).resize((SIZE, SIZE)))

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        flat = np.stack([self.prepare(image).reshape(-1) for image in images]) / 255 + 0.01
        return checked(np.stack([_PROJECTION @ row for row in flat]))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return checked(np.stack([sum(map(_word, text.lower().split())) for text in texts]))


def _word(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(DIMENSION)
