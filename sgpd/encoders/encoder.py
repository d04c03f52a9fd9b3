"""The seam to any frozen dense image-text model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Encoder(Protocol):
    """A frozen model that puts images and texts into one space, where a dot product compares."""

    @property
    def identity(self) -> str:
        """Which model this is; another string if its weights or its preprocessing change."""
        ...

    @property
    def dimension(self) -> int:
        """Length d of the embeddings."""
        ...

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB [h, w, 3] of any size -> the model's input size; thread safe and idempotent."""
        ...

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """L2-normalised embeddings [n, d]; an image not of the input size is prepared first."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """L2-normalised embeddings [n, d]; texts beyond the model's window are cut."""
        ...
