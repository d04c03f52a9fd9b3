"""Embeddings for the tests: a few hundred unit vectors in overlapping clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.fit import FitSettings, fit
from tests.vectors import clustered

settings.register_profile("no deadline", deadline=None)  # the machine may be busy with other tests
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def embeddings() -> NDArray[np.float32]:
    """600 embeddings."""
    return clustered(600)


@pytest.fixture(scope="session")
def bundle(embeddings: NDArray[np.float32]) -> Bundle:
    """A bundle of 10 cells and 96 prototypes fitted on the embeddings."""
    return fit(embeddings, "test-encoder", settings=FitSettings(cells=10, prototypes=96))
