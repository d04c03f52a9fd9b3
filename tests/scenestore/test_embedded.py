"""The embedded engine keeps the contract of every engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.embedded.ledger import EmbeddedLedger
from tests.scenestore.documents_contract import DocumentsContract, OpenDocuments
from tests.scenestore.ledger_contract import LedgerContract, OpenLedger


class TestEmbeddedLedger(LedgerContract):
    """A row of SQLite is a document."""

    @pytest.fixture
    def open_ledger(self, tmp_path: Path) -> OpenLedger:
        return lambda: EmbeddedLedger(tmp_path / "home.sqlite")


class TestEmbeddedDocuments(DocumentsContract):
    """Documents in SQLite, postings in the batches."""

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> EmbeddedLedger:
        return EmbeddedLedger(tmp_path / "home.sqlite")

    @pytest.fixture
    def open_documents(self, tmp_path: Path) -> OpenDocuments:
        return lambda reader: EmbeddedDocuments(tmp_path / "home.sqlite", reader)
