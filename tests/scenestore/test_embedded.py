"""The embedded engine keeps the contract of every engine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
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

    @pytest.fixture
    def age(self, tmp_path: Path) -> Callable[[], None]:
        def age() -> None:
            db = sqlite3.connect(tmp_path / "home.sqlite")
            for index in ("by_datetime", "by_cloud_cover"):
                db.execute(f"DROP INDEX {index}")
            for column in ("datetime", "cloud_cover", "west", "south", "east", "north", "shape"):
                db.execute(f"ALTER TABLE documents DROP COLUMN {column}")
            db.execute("DROP TABLE places_chip")
            db.execute("DROP TABLE places_caption")
            db.execute("DROP TABLE properties")
            db.execute("PRAGMA user_version = 0")
            db.close()

        return age
