"""What the store's tests share: one fitted bundle, and names on the OpenSearch node."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from opensearchpy import OpenSearch

from scenestore.opensearch.connection import Options, connect
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


@pytest.fixture
def client(opensearch: str) -> OpenSearch:
    return connect(Options((opensearch,)))


@pytest.fixture
def prefix(client: OpenSearch) -> Iterator[str]:
    """A prefix of index names for one test, whose indices are deleted after it."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    yield prefix
    indices = client.indices.get(index=f"{prefix}-*")
    if indices:
        client.indices.delete(index=",".join(indices))
