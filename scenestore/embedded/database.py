"""One SQLite file, opened for several threads of this process and safe against others."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from scenestore.errors import StoreError, UnavailableError

_BUSY_SECONDS = 10.0
"""How long a statement waits for another process's write."""
_IDLE = 8
"""Connections kept for readers to come."""
_NOT_WRITABLE = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class Database:
    """A WAL-mode SQLite file; every transaction is durable before it returns.

    One connection writes, and readers have others: none waits for another, nor for a write.
    """

    def __init__(
        self, path: Path, prepare: Callable[[sqlite3.Connection], None] = lambda db: None
    ) -> None:
        """`prepare` is called with every connection before it is used."""
        self.path = path
        self._prepare = prepare
        self._lock = threading.RLock()
        self._watching = threading.Lock()
        self._watch: sqlite3.Connection | None = None
        self._idle: list[sqlite3.Connection] = []
        self._is_open = True
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connected("rwc")
            self._writer.execute("PRAGMA journal_mode = WAL")
            self._writer.execute("PRAGMA synchronous = FULL")

    def _connected(self, mode: str = "rw") -> sqlite3.Connection:
        """A new connection; only the first one may make the file, which may be dropped since."""
        db = sqlite3.connect(
            f"file:{quote(str(self.path))}?mode={mode}",
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        self._prepare(db)
        return db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for statements that change nothing, for this thread alone."""
        with self._translated():
            db = self._taken()
            try:
                yield db
            except BaseException:
                db.close()  # what was not read to its end would keep it at what was written then
                raise
            self._give_back(db)

    def _taken(self) -> sqlite3.Connection:
        if not self._is_open:
            raise sqlite3.ProgrammingError("it was closed")
        with suppress(IndexError):
            return self._idle.pop()
        return self._connected()

    def _give_back(self, db: sqlite3.Connection) -> None:
        self._idle.append(db)
        while self._idle and (len(self._idle) > _IDLE or not self._is_open):
            with suppress(IndexError):
                self._idle.pop().close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The connection inside one transaction: all of it happens, or nothing."""
        with self._lock, self._translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def state(self) -> object:
        """Equal to an earlier one where nothing was written since, by us or by anyone else."""
        with self._watching, self._translated():
            if self._watch is None:  # which never writes: SQLite counts what others wrote alone
                self._watch = self._taken()
            return self._watch.execute("PRAGMA data_version").fetchone()[0]

    def close(self) -> None:
        """Give back the file."""
        self._is_open = False
        with self._lock, self._watching:
            self._writer.close()
            if self._watch is not None:
                self._give_back(self._watch)
                self._watch = None
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

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
