"""Keys: which write of an entry it is. Batch ordinal x 2^20 + row in the batch, never reused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROW_BITS = 20
MAX_ROWS = 1 << ROW_BITS
"""Most entries a batch can hold."""


def first_key(ordinal: int) -> int:
    """The key of row 0 of a batch."""
    return ordinal << ROW_BITS


def ordinals(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The batch ordinal of each key, same shape."""
    return keys >> ROW_BITS


def rows(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row in its batch of each key, same shape."""
    return keys & (MAX_ROWS - 1)
