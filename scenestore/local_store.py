"""The shard store in a folder: of this machine, or shared by several.

Drafts lie in the folder itself, so that publishing is one rename. Who fills one holds a lock on it
that ends with the process: what is left of the dead can be told from the work of the living.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scenestore.errors import DamagedError, StoreError
from sgpd import sealed

_DRAFT = ".writing-"
_LOCK = "lock"
_TRIES = 10


class LocalStore:
    """Implements `scenestore.store.Store`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def under(self, prefix: str) -> LocalStore:
        """The part of the store below a name; nothing is created."""
        return LocalStore(self.folder / prefix)

    def parts(self) -> list[str]:
        """Names below which there is anything, sorted."""
        return self._folders()

    def prepare(self) -> None:
        """Make the folder."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """An empty folder to fill and publish; gone when the block is left."""
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch, lock = self._scratch()
        try:
            yield scratch / "draft"
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            os.close(lock)

    def _scratch(self) -> tuple[Path, int]:
        """A folder for a draft, and the descriptor that holds its lock."""
        for _ in range(_TRIES):
            scratch = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self.folder))
            with contextlib.suppress(FileNotFoundError, BlockingIOError):
                lock = _open_lock(scratch)
                with contextlib.suppress(_NoLocksError):  # then nobody can remove it either
                    _take(lock, scratch)
                (scratch / "draft").mkdir()
                return scratch, lock
        raise StoreError(f"{self.folder}: drafts vanish as they are made; is anything clearing it?")

    def publish(self, draft: Path, name: str) -> None:
        """Rename a sealed folder to its name; one that has the name already is kept."""
        with self._writing():
            sealed.publish(draft, self.folder / name)

    def names(self, prefix: str = "") -> list[str]:
        """Names of the folders that begin with `prefix`, sorted."""
        return [name for name in self._folders() if name.startswith(prefix)]

    def open(self, name: str) -> LocalFolder:
        """The folder of a name; nothing is read."""
        return LocalFolder(self.folder / name)

    def remove(self, name: str) -> None:
        """Remove a folder or a blob; nothing happens when there is none."""
        target = self.folder / name
        with self._writing():
            if not target.is_dir():
                target.unlink(missing_ok=True)
                return
            with self.draft() as scratch:  # out of sight first: nobody sees a part of it
                target.rename(scratch / name)

    def clear(self) -> None:
        """Remove the folder and everything in it."""
        with self._writing():
            if self.folder.is_dir():
                shutil.rmtree(self.folder)

    def remove_drafts(self) -> None:
        """Remove drafts whose writers died."""
        for scratch in self.folder.glob(f"{_DRAFT}*"):
            with contextlib.suppress(OSError, _NoLocksError):
                lock = _open_lock(scratch)
                try:
                    _take(lock, scratch)
                    shutil.rmtree(scratch, ignore_errors=True)
                finally:
                    os.close(lock)

    def put(self, name: str, content: bytes) -> bool:
        """Write a blob, whole or not at all; False where the name is taken, and nothing changed."""
        with self._writing(), self.draft() as draft:
            file = draft / "blob"
            with file.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                target.hardlink_to(file)
            except FileExistsError:
                return False
            sealed.sync_folder(target.parent)
        return True

    def get(self, name: str) -> bytes | None:
        """The content of a blob; None where there is none."""
        with self._reading():
            try:
                return (self.folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def age(self, name: str) -> float:
        """Seconds since a blob was written, by the clock of whoever keeps the files."""
        with self._writing(), self.draft() as draft:
            now = draft / "now"
            now.touch()
            return now.stat().st_mtime - (self.folder / name).stat().st_mtime

    def blobs(self) -> list[str]:
        """Names of the blobs directly here, sorted."""
        return self._entries(folders=False)

    def _folders(self) -> list[str]:
        return [name for name in self._entries(folders=True) if not name.startswith(_DRAFT)]

    def _entries(self, folders: bool) -> list[str]:
        with self._reading():
            try:
                with os.scandir(self.folder) as entries:
                    return sorted(entry.name for entry in entries if entry.is_dir() == folders)
            except FileNotFoundError:
                return []

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{error.filename or self.folder} cannot be read: {error.strerror}; permit reading"
            ) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be written: {error.strerror or error}; make room or permit "
                "writing, then run again"
            ) from error


class LocalFolder:
    """Implements `scenestore.store.Folder`."""

    is_remote = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        """Its name in the store."""
        return self.path.name

    def manifest(self, format_version: int) -> tuple[dict[str, Any], str]:
        """Its manifest and digest, after a look at the sizes of all files; SealError."""
        return sealed.read_manifest(self.path, format_version)

    def verify(self, manifest: Mapping[str, Any]) -> None:
        """Compare every file with its digest; SealError names the first fault."""
        sealed.verify(self.path, manifest)

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return (self.path / name).exists()

    def size(self, name: str) -> int:
        """Bytes of a file."""
        with self._there(name):
            return (self.path / name).stat().st_size

    def file(self, name: str) -> Path:
        """Where a file lies."""
        return self.path / name

    def whole(self) -> Path:
        """Where the folder lies."""
        return self.path

    def ranges(self, name: str, starts: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Parts of a file."""
        with self._there(name), (self.path / name).open("rb") as file:
            return [
                os.pread(file.fileno(), length, start)
                for start, length in zip(starts, lengths, strict=True)
            ]

    def kept_ranges(self, name: str, starts: Sequence[int], lengths: Sequence[int]) -> list[bytes]:
        """Parts of a file, which the system keeps in memory."""
        return self.ranges(name, starts, lengths)

    @contextmanager
    def _there(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DamagedError(
                f"{self.path / name} cannot be read ({error.strerror}); run `scenesift audit`"
            ) from error


class _NoLocksError(Exception):
    """The file system has no locks."""


def _open_lock(scratch: Path) -> int:
    return os.open(scratch / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)


def _take(lock: int, scratch: Path) -> None:
    """Take a draft's lock; an OSError where another has it, or where the draft is gone."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        raise _NoLocksError from error
    (scratch / _LOCK).stat()
