"""Embeddings for the tests: unit vectors in overlapping clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIMENSION = 32


def clustered(count: int, seed: int = 0, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """Unit vectors [count, dimension] around 12 centres that all seeds share."""
    centres = np.random.default_rng(99).standard_normal((12, dimension))
    rng = np.random.default_rng(seed)
    x = centres[rng.integers(12, size=count)] + 0.5 * rng.standard_normal((count, dimension))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)
