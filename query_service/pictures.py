"""Pictures of entries, as JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenestore.entry import Identity

LONGEST_SIDE = 1_024
"""Pixels of a chip that is given; larger ones are reduced."""
_QUALITY = 90


def chip_of(scene: NDArray[np.uint8], who: Identity) -> NDArray[np.uint8]:
    """The pixels [h, w, 3] of an entry's window in its scene's [H, W, 3]; all without a window."""
    if not isinstance(who.part, tuple):
        return scene
    column, row, width, height = who.part
    return scene[row : row + height, column : column + width]


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels [h, w, 3] as JPEG, no side longer than LONGEST_SIDE."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=_QUALITY)
    return packed.getvalue()
