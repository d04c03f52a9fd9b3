"""The engine that serves an archive, chosen by the settings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Protocol

from scenesift.errors import HomeError
from scenesift.home import Home
from scenesift.settings import Settings
from scenestore.ports import Documents, Ledger
from scenestore.reader import SegmentReader


class Engine(Protocol):
    """Where the log and the documents of an archive's generations are."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def ledger(self) -> Ledger:
        """The ledger of the archive."""

    def documents(self, generation: str, reader: SegmentReader) -> Documents:
        """The documents of a generation; nothing is created yet."""

    def remove(self, generation: str) -> None:
        """Remove what is left of a generation whose documents were dropped and closed."""

    def remove_others(self) -> None:
        """Remove what another engine left in the home."""

    def drop_ledger(self) -> None:
        """Forget everything the ledger holds."""

    def close(self) -> None:
        """Give back files and connections."""


class EmbeddedEngine:
    """SQLite files in the home."""

    name = "embedded"

    def __init__(self, home: Home) -> None:
        from scenestore.embedded.ledger import EmbeddedLedger

        self._folder = home.embedded
        self.ledger = EmbeddedLedger(self._folder / "ledger.sqlite")

    def documents(self, generation: str, reader: SegmentReader) -> Documents:
        """The documents of a generation, in a file of their own."""
        from scenestore.embedded.documents import EmbeddedDocuments

        return EmbeddedDocuments(self._folder / f"{generation}.sqlite", reader)

    def remove(self, generation: str) -> None:
        """Delete the file, which keeps its size when its tables are dropped."""
        for file in self._folder.glob(f"{generation}.sqlite*"):
            file.unlink(missing_ok=True)

    def remove_others(self) -> None:
        """Nothing: OpenSearch leaves nothing here."""

    def drop_ledger(self) -> None:
        """Forget everything the ledger holds."""
        for name in self.ledger.names(""):
            self.ledger.delete(name)

    def close(self) -> None:
        """Give back the ledger's file."""
        self.ledger.close()


class OpenSearchEngine:
    """Indices of one prefix on an OpenSearch cluster."""

    name = "opensearch"

    def __init__(self, settings: Settings, home: Home) -> None:
        from scenestore.opensearch.connection import Options, connect
        from scenestore.opensearch.indices import IndexSettings
        from scenestore.opensearch.ledger import OpenSearchLedger

        hosts = settings.opensearch_url or ()
        password, header = settings.opensearch_password, settings.opensearch_authorization
        self._client = connect(
            Options(
                hosts=tuple(str(host).rstrip("/") for host in hosts),
                user=settings.opensearch_user,
                password=password.get_secret_value() if password else "",
                authorization=header.get_secret_value() if header else None,
                aws_region=settings.opensearch_aws_region,
                ca_certs=_file(settings, "opensearch_ca"),
                client_cert=_file(settings, "opensearch_client_cert"),
                client_key=_file(settings, "opensearch_client_key"),
                verify_certs=settings.opensearch_verify,
                search_timeout=settings.opensearch_search_timeout,
            )
        )
        self._embedded = home.embedded
        self._prefix = settings.opensearch_prefix
        self._indices = IndexSettings(
            shards=settings.opensearch_shards, replicas=settings.opensearch_replicas
        )
        self.ledger = OpenSearchLedger(self._client, self._prefix, self._indices)

    def documents(self, generation: str, reader: SegmentReader) -> Documents:
        """The documents of a generation, in indices of their own."""
        from scenestore.opensearch.documents import OpenSearchDocuments

        return OpenSearchDocuments(self._client, self._prefix, generation, reader, self._indices)

    def remove(self, generation: str) -> None:
        """Nothing: dropped documents leave nothing."""

    def remove_others(self) -> None:
        """Delete the files of the embedded engine, a projection that is no longer kept up."""
        shutil.rmtree(self._embedded, ignore_errors=True)

    def drop_ledger(self) -> None:
        """Remove the ledger's index."""
        self.ledger.drop()

    def close(self) -> None:
        """Give back the connections."""
        self._client.close()


def _file(settings: Settings, name: str) -> str | None:
    """The path of a file that a setting names; HomeError where there is none."""
    path: Path | None = getattr(settings, name)
    if path is not None and not path.is_file():
        raise HomeError(f"{path}: there is no such file; correct the setting {name}")
    return str(path) if path else None


def open_engine(settings: Settings, home: Home) -> Engine:
    """The engine that the settings name."""
    return (
        EmbeddedEngine(home)
        if settings.opensearch_url is None
        else OpenSearchEngine(settings, home)
    )
