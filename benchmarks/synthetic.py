"""Synthetic embeddings: clusters of clusters in few dimensions of many, as encoders give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def clustered(count: int, dimension: int = 256, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors [count, dimension]: 300 clusters in 32 directions, and noise in all."""
    rng = np.random.default_rng(seed)
    axes = rng.standard_normal((32, dimension)) / np.sqrt(dimension)
    centres = rng.standard_normal((300, 32))
    inner = centres[rng.integers(300, size=count)] + 0.8 * rng.standard_normal((count, 32))
    noise = 1.7 * rng.standard_normal((count, dimension)) / np.sqrt(dimension)
    x = inner @ axes + noise
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)
