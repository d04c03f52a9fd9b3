"""The cache: files of this machine that stand for what lies in a remote store.

Everything in it is immutable and can be fetched again. Files appear by rename and go by unlink, so
that any number of processes may share one; a file that is open stays readable when it goes.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import struct
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from scenestore.errors import StoreError
from scenestore.local_store import LocalStore

_SPARED_SECONDS = 10.0
"""What was used so lately stays: somebody may be about to open it."""
_CHECKED_SHARE = 0.02
"""Share of the bound that is written before the whole is looked at again."""
_KEPT_SHARE = 0.9
"""Share of the bound that is left when files have to go."""


_CHECK = struct.Struct("<I")
"""CRC-32 at the end of a part."""
_OPEN = 512
"""Parts that a process keeps open: to open one again takes longer than to score it."""
_MAPPED_BYTES = 64 << 10
"""Above it a map takes less time than a copy."""


@dataclass
class Reads:
    """What was asked of a remote store and of the cache before it."""

    requests: int = 0
    bytes: int = 0
    hits: int = 0
    misses: int = 0

    def add(self, other: Reads) -> None:
        """Count these too."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    def to_json(self) -> dict[str, int]:
        """What people are shown."""
        return asdict(self)


_tally: ContextVar[Reads | None] = ContextVar("tally", default=None)


@contextmanager
def counted() -> Iterator[Reads]:
    """What this thread reads from remote stores until the block is left."""
    reads = Reads()
    token = _tally.set(reads)
    try:
        yield reads
    finally:
        _tally.reset(token)


class Cache:
    """A folder of files, by least recent use below a number of bytes."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self.drafts = LocalStore(folder / "drafts")
        self._files = folder / "files"
        self.most = most_bytes
        self._unchecked: float = most_bytes  # another process may have filled it
        self._lock = threading.Lock()
        self._sound: set[str] = set()
        self._open: OrderedDict[str, memoryview] = OrderedDict()
        self.reads = Reads()

    def count(self, **reads: int) -> None:
        """Add to the counters, and to the tally of this thread."""
        found = Reads(**reads)
        tally = _tally.get()
        with self._lock:
            self.reads.add(found)
            if tally is not None:
                tally.add(found)

    def find(self, name: str, size: int) -> Path | None:
        """The file of a name if it is here with that many bytes; it counts as used now."""
        path = self._files / name
        try:
            if path.stat().st_size == size:
                os.utime(path)
                self.count(hits=1)
                return path
        except OSError:
            pass
        self.count(misses=1)
        return None

    def read(self, name: str) -> bytes | None:
        """The content of a small file, if it is here."""
        try:
            return (self._files / name).read_bytes()
        except OSError:
            return None

    def keep(self, name: str, parts: Iterable[bytes | memoryview]) -> Path:
        """Write a file; StoreError when the disk does not take it."""
        with self._room(name) as draft, draft.open("wb") as file:
            for part in parts:
                file.write(part)
        return self._files / name

    def part(self, name: str, size: int) -> memoryview | None:
        """A part of a file that `keep_part` kept; it counts as used now.

        What a power cut may have left of one counts as none: each is checked when this process
        first reads it.
        """
        with self._lock:
            known = self._open.get(name)
            if known is not None:
                self._open.move_to_end(name)
        if known is not None:
            self.count(hits=1)
            return known
        path = self.find(name, size + _CHECK.size)
        if path is None:
            return None
        try:
            content = _content(path)
        except OSError:
            return None  # gone since
        if name not in self._sound:
            if _CHECK.pack(zlib.crc32(content[:size])) != content[size:]:
                return None
            self._sound.add(name)
        with self._lock:
            self._open[name] = content[:size]
            if len(self._open) > _OPEN:
                self._open.popitem(last=False)
        return content[:size]

    def keep_part(self, name: str, content: bytes | memoryview) -> None:
        """Keep a part of a file, which is not digested as a whole is."""
        self.keep(name, [content, _CHECK.pack(zlib.crc32(content))])

    def adopt(self, name: str, file: Path) -> None:
        """Move in a file of this cache's drafts."""
        with self._room(name) as draft:
            file.replace(draft)

    @contextmanager
    def _room(self, name: str) -> Iterator[Path]:
        """Where to write a file that has its name once the block is left."""
        path = self._files / name
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            size = draft.stat().st_size
            draft.replace(path)
        except OSError as error:
            raise StoreError(
                f"the cache {self.folder} cannot be written: {error.strerror or error}; make room, "
                "or set SCENESIFT_CACHE to another folder or SCENESIFT_CACHE_BYTES lower"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        self._bound(size)

    def drop(self, prefix: str) -> None:
        """Remove what lies below a name."""
        for path, _ in self._all(self._files / prefix):
            path.unlink(missing_ok=True)

    @property
    def bytes(self) -> int:
        """Size of everything in it, whoever put it there."""
        return sum(entry.st_size for _, entry in self._all(self._files))

    def _bound(self, written: int) -> None:
        """Remove what was not used for longest, once enough was written."""
        with self._lock:
            self._unchecked += written
            if self._unchecked < _CHECKED_SHARE * self.most:
                return
            self._unchecked = 0
        files = sorted(self._all(self._files), key=lambda file: file[1].st_mtime)
        total = sum(entry.st_size for _, entry in files)
        if total <= self.most:
            return
        spared = time.time() - _SPARED_SECONDS
        for path, entry in files:
            if total <= _KEPT_SHARE * self.most or entry.st_mtime > spared:
                break
            path.unlink(missing_ok=True)
            total -= entry.st_size

    @staticmethod
    def _all(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
        """Files below a folder; what vanishes meanwhile is left out."""
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file():
                    yield path, path.stat()


def _content(path: Path) -> memoryview:
    """A file's content; it stays readable when the file goes."""
    with path.open("rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < _MAPPED_BYTES:
            return memoryview(file.read())
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
