"""The shard store in a bucket: S3, Google Cloud Storage or Azure, through obstore.

A folder is the objects under its name. `manifest.json` is written last and only once: without it
there is no folder. Files come to this machine as they are asked for, are compared with their
digests, and stay in a cache. `scenestore.object_connection` opens it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore as Client

from scenestore.cache import Cache
from scenestore.errors import StoreError
from scenestore.object_errors import is_gone, translated
from scenestore.remote_folder import CHUNK, RemoteFolder
from scenestore.together import together
from sgpd import sealed

_COALESCED = 64 << 10
"""Ranges this near are asked for as one: that many bytes take no longer than a request."""
_ABANDONED = timedelta(days=1)
"""Age of files without a manifest at which whoever wrote them is dead."""


class ObjectStore:
    """Implements `scenestore.store.Store`."""

    def __init__(self, client: Client, address: str, prefix: str, cache: Cache) -> None:
        """`prefix` is where in the client's own prefix this part lies: empty, or with a slash."""
        self.client = client
        self.address = address
        self.cache = cache
        self._prefix = prefix

    def __str__(self) -> str:
        return f"{self.address}/{self._prefix}".rstrip("/")

    def under(self, prefix: str) -> ObjectStore:
        """The part of the store below a name; nothing is created."""
        return ObjectStore(self.client, self.address, f"{self._prefix}{prefix}/", self.cache)

    def parts(self) -> list[str]:
        """Names below which there is anything, sorted."""
        with self._translated():
            found = obstore.list_with_delimiter(self.client, self._prefix or None)
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    def prepare(self) -> None:
        """Write an object and delete it again, to learn now whether that is permitted."""
        self._now()

    def draft(self) -> AbstractContextManager[Path]:
        """An empty folder in the cache; publishing moves its files into that."""
        return self.cache.drafts.draft()

    def publish(self, draft: Path, name: str) -> None:
        """Upload a sealed folder, its manifest last; one that has the name already is kept."""
        files = [p.relative_to(draft).as_posix() for p in draft.rglob("*") if p.is_file()]
        files.remove(sealed.MANIFEST)
        manifest = (draft / sealed.MANIFEST).read_bytes()
        if self._has(f"{name}/{sealed.MANIFEST}"):
            return
        together([partial(self._upload, draft / file, f"{name}/{file}") for file in files])
        if self.put(f"{name}/{sealed.MANIFEST}", manifest):
            for file in (*files, sealed.MANIFEST):
                self.cache.adopt(self.key(f"{name}/{file}"), draft / file)

    def names(self, prefix: str = "") -> list[str]:
        """Names of the folders that begin with `prefix`, sorted."""
        found = []
        for path, _, _ in self.listed(from_name=prefix):
            name, _, file = path.partition("/")
            if name[: len(prefix)] > prefix:
                break  # listings are in the order of names
            if name.startswith(prefix) and file == sealed.MANIFEST:
                found.append(name)
        return sorted(found)

    def open(self, name: str) -> RemoteFolder:
        """A folder, of which nothing is fetched yet."""
        return RemoteFolder(self, name)

    def remove(self, name: str) -> None:
        """Remove a folder, its manifest first, or a blob; nothing happens when there is none."""
        self._delete([f"{name}/{sealed.MANIFEST}", name])
        self.under(name).clear()

    def clear(self) -> None:
        """Remove everything below here."""
        paths = [path for path, _, _ in self.listed()]
        self._delete([path for path in paths if path.endswith(f"/{sealed.MANIFEST}")])
        self._delete(paths)
        self.cache.drop(self.key(""))

    def remove_drafts(self) -> None:
        """Remove drafts of this machine whose writers died, and uploads that nobody finished."""
        self.cache.drafts.remove_drafts()
        whole: set[str] = set()
        files: dict[str, list[tuple[str, datetime]]] = {}
        for path, _, written in self.listed():
            name, _, file = path.partition("/")
            if file == sealed.MANIFEST:
                whole.add(name)
            elif file:
                files.setdefault(name, []).append((path, written))
        left = {name: found for name, found in files.items() if name not in whole}
        if left:
            now = self._now()
            for found in left.values():
                if now - max(written for _, written in found) > _ABANDONED:
                    self._delete([path for path, _ in found])

    def put(self, name: str, content: bytes) -> bool:
        """Write a blob, whole or not at all; False where the name is taken, and nothing changed."""
        with self._translated(writing=True):
            try:
                obstore.put(self.client, self._prefix + name, content, mode="create")
            except AlreadyExistsError:
                return self.get(name) == content  # ours, if an answer was lost on its way
        return True

    def get(self, name: str) -> bytes | None:
        """The content of a blob; None where there is none."""
        with self._translated():
            try:
                content = bytes(obstore.get(self.client, self._prefix + name).bytes())
            except FileNotFoundError as error:
                if is_gone(error):
                    raise
                return None
        self.cache.count(requests=1, bytes=len(content))
        return content

    def age(self, name: str) -> float:
        """Seconds since a blob was written, by the clock of the service."""
        with self._translated():
            written: datetime = obstore.head(self.client, self._prefix + name)["last_modified"]
        return (self._now() - written).total_seconds()

    def blobs(self) -> list[str]:
        """Names of the blobs directly here, sorted."""
        with self._translated():
            found = obstore.list_with_delimiter(self.client, self._prefix or None)
        return sorted(item["path"].rpartition("/")[2] for item in found["objects"])

    def ranges(self, name: str, starts: Sequence[int], lengths: Sequence[int]) -> list[memoryview]:
        """Parts of an object, near ones asked for at once; none of them empty or past its end."""
        with self._translated():
            parts = obstore.get_ranges(
                self.client,
                self._prefix + name,
                starts=starts,
                lengths=lengths,
                coalesce=_COALESCED,
            )
        self.cache.count(**_asked(starts, lengths))
        return [memoryview(part) for part in parts]

    def range(self, name: str, start: int, length: int) -> memoryview:
        """One part of an object, shorter where that ends."""
        with self._translated():
            part = obstore.get_range(self.client, self._prefix + name, start=start, length=length)
        self.cache.count(requests=1, bytes=length)
        return memoryview(part)

    def size(self, name: str) -> int:
        """Bytes of an object."""
        with self._translated():
            size = int(obstore.head(self.client, self._prefix + name)["size"])
        self.cache.count(requests=1)
        return size

    def key(self, name: str) -> str:
        """Where the cache keeps an object."""
        return f"{self._place}/{self._prefix}{name}"

    @cached_property
    def _place(self) -> str:
        return hashlib.sha256(self.address.encode()).hexdigest()[:12]

    def _has(self, name: str) -> bool:
        with self._translated():
            try:
                obstore.head(self.client, self._prefix + name)
            except FileNotFoundError as error:
                if is_gone(error):
                    raise
                return False
        return True

    def _upload(self, file: Path, name: str) -> None:
        with self._translated(writing=True):
            obstore.put(self.client, self._prefix + name, file, chunk_size=CHUNK)

    def listed(self, from_name: str = "") -> Iterator[tuple[str, int, datetime]]:
        """Path below here, bytes and time of every object, in order; maybe not from the first."""
        start = len(self._prefix)
        offset = self._prefix + from_name[:-1] if from_name else None
        with self._translated():
            for page in obstore.list(
                self.client, self._prefix or None, offset=offset, chunk_size=1000
            ):
                for item in page:
                    yield item["path"][start:], item["size"], item["last_modified"]

    def _delete(self, names: Sequence[str]) -> None:
        with self._translated(writing=True):
            for first in range(0, len(names), 1000):
                paths = [self._prefix + name for name in names[first : first + 1000]]
                with contextlib.suppress(FileNotFoundError):
                    obstore.delete(self.client, paths)

    def _now(self) -> datetime:
        """The time by the clock of the service."""
        probe = f"{self._prefix}clock-{secrets.token_hex(8)}"
        with self._translated(writing=True):
            obstore.put(self.client, probe, b"")
            now: datetime = obstore.head(self.client, probe)["last_modified"]
            obstore.delete(self.client, [probe])
        return now

    @contextmanager
    def _translated(self, writing: bool = False) -> Iterator[None]:
        """Foreign errors as ours, in a line each."""
        _use(self)
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            raise translated(error, str(self), writing) from error


_used_by: set[int] = set()
"""The process that first asked something; its children are in here too."""


def _use(store: ObjectStore) -> None:
    """Refuse what would wait for ever: obstore's threads stay behind when a process forks."""
    _used_by.add(os.getpid())
    if len(_used_by) > 1:
        raise StoreError(f"{store}: was used before this process forked; open it only afterwards")


def _asked(starts: Sequence[int], lengths: Sequence[int]) -> dict[str, int]:
    """Requests and bytes that near ranges come to when they are asked for as one."""
    requests = read = 0
    end = -_COALESCED - 1
    for start, stop in sorted((s, s + n) for s, n in zip(starts, lengths, strict=True)):
        near = start - end <= _COALESCED
        requests += not near
        read += max(0, stop - max(end, start)) if not near else max(0, stop - end)
        end = max(end, stop)
    return {"requests": requests, "bytes": read}
