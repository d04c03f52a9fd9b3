"""What the store's tests share: one fitted bundle."""

from __future__ import annotations

import pytest

from sgpd.bundle import Bundle
from tests.scenestore.builders import BatchMaker, small_bundle


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """A small bundle with a space for each kind."""
    return small_bundle()


@pytest.fixture(scope="session")
def make_batch(bundle: Bundle) -> BatchMaker:
    """Makes batches of that bundle."""
    return BatchMaker(bundle)
