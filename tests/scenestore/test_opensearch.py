"""The OpenSearch engine keeps the contract of every engine, on a real node."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from opensearchpy import OpenSearch

from scenestore.opensearch.connection import Options, connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.ledger import OpenSearchLedger
from tests.scenestore.documents_contract import DocumentsContract, OpenDocuments
from tests.scenestore.ledger_contract import LedgerContract, OpenLedger


@pytest.fixture
def client(opensearch: str) -> OpenSearch:
    return connect(Options((opensearch,)))


@pytest.fixture
def prefix(client: OpenSearch) -> Iterator[str]:
    """A prefix of index names for one test, whose indices are deleted after it."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    yield prefix
    for index in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=index)


class TestOpenSearchLedger(LedgerContract):
    """A document of an index is a document."""

    @pytest.fixture
    def open_ledger(self, opensearch: str, prefix: str) -> OpenLedger:
        return lambda: OpenSearchLedger(connect(Options((opensearch,))), prefix)


class TestOpenSearchDocuments(DocumentsContract):
    """Documents and codes in one index a kind."""

    @pytest.fixture
    def ledger(self, client: OpenSearch, prefix: str) -> OpenSearchLedger:
        return OpenSearchLedger(client, prefix)

    @pytest.fixture
    def open_documents(self, opensearch: str, prefix: str) -> OpenDocuments:
        return lambda reader: OpenSearchDocuments(
            connect(Options((opensearch,))), prefix, "g1", reader
        )
