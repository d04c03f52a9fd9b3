"""The OpenSearch engine keeps the contract of every engine on the oldest supported release too."""

from __future__ import annotations

import pytest
from opensearchpy import OpenSearch

from tests.scenestore import test_opensearch as newest


@pytest.fixture
def opensearch(oldest_opensearch: str) -> str:
    """In place of the newest release."""
    return oldest_opensearch


def test_the_node_is_of_the_oldest_release(client: OpenSearch) -> None:
    assert client.info()["version"]["number"] == "2.19.1"


class TestOpenSearchLedger(newest.TestOpenSearchLedger):
    """A document of an index is a document."""


class TestOpenSearchDocuments(newest.TestOpenSearchDocuments):
    """Guides, filters and fields are the same."""
