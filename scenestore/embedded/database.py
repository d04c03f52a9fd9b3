"""One SQLite file, opened for several threads of this process and safe against others."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenestore.errors import StoreError, UnavailableError

_BUSY_SECONDS = 10.0
"""How long a statement waits for another process's write."""
_NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class Database:
    """A WAL-mode SQLite file; every transaction is durable before it returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._written = 0
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for statements that change nothing."""
        with self._lock, self._translated():
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection inside one transaction: all of it happens, or nothing."""
        with self._lock, self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
                self._written += 1
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def state(self) -> object:
        """Equal to an earlier one where nothing was written since, by us or by anyone else."""
        with self.reading() as db:  # SQLite counts here what others wrote alone
            return self._written, db.execute("PRAGMA data_version").fetchone()[0]

    def close(self) -> None:
        """Give back the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error) or "busy" in str(error):
                raise UnavailableError(
                    f"{self.path}: another process keeps it locked; try again when it is done"
                ) from error
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _NOT_WRITABLE:
                raise StoreError(
                    f"{self.path}: {error}; SQLite writes beside it even for a search: permit "
                    "writing to its folder, or copy the home to where you may write"
                ) from error
            if "no such table" in str(error):
                raise StoreError(f"{self.path}: {error}; run `scenesift rebuild`") from error
            raise StoreError(
                f"{self.path}: {error}; check free space and permissions, then run again"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path}: {error}; move it away and run `scenesift rebuild`"
            ) from error
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; check the folder") from error
