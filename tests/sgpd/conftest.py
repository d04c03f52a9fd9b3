"""Embeddings for the tests: a few hundred unit vectors in overlapping clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.fit import FitSettings, fit

DIMENSION = 32

settings.register_profile("no deadline", deadline=None)  # the machine may be busy with other tests
settings.load_profile("no deadline")


def clustered(count: int, seed: int = 0, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """Unit vectors [count, dimension] around 12 centres that all seeds share."""
    centres = np.random.default_rng(99).standard_normal((12, dimension))
    rng = np.random.default_rng(seed)
    x = centres[rng.integers(12, size=count)] + 0.5 * rng.standard_normal((count, dimension))
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="session")
def embeddings() -> NDArray[np.float32]:
    """600 embeddings."""
    return clustered(600)


@pytest.fixture(scope="session")
def bundle(embeddings: NDArray[np.float32]) -> Bundle:
    """A bundle of 10 cells and 96 prototypes fitted on the embeddings."""
    return fit(embeddings, "test-encoder", settings=FitSettings(cells=10, prototypes=96))
