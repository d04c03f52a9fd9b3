"""Documents in SQLite."""

from __future__ import annotations

from pathlib import Path

from scenestore.embedded.books import EmbeddedBooks
from scenestore.embedded.entries import EmbeddedEntries
from scenestore.embedded.live import LiveTables
from scenestore.embedded.projection import EmbeddedProjection
from scenestore.reader import SegmentReader


class EmbeddedDocuments(EmbeddedEntries, EmbeddedBooks, EmbeddedProjection):
    """Implements `scenestore.ports.Documents`: three roles over one file."""

    def __init__(self, path: Path, reader: SegmentReader) -> None:
        tables = LiveTables(path)
        EmbeddedEntries.__init__(self, tables, reader)
        EmbeddedBooks.__init__(self, tables)
        EmbeddedProjection.__init__(self, tables, reader.bundle.digest)
