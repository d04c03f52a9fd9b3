"""A sealed folder in a bucket: its files come to this machine as they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenestore.errors import DamagedError
from scenestore.together import together
from sgpd import sealed

if TYPE_CHECKING:
    from scenestore.object_store import ObjectStore

CHUNK = 8 << 20
"""Bytes of one request of a large file: each has the whole time-out."""


class RemoteFolder:
    """Implements `scenestore.store.Folder`."""

    is_remote = True

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self.name = name
        self._measured: set[str] = set()

    def __str__(self) -> str:
        return f"{self._store}/{self.name}"

    @cached_property
    def _manifest(self) -> bytes:
        key = self._store.key(f"{self.name}/{sealed.MANIFEST}")
        known = self._store.cache.read(key)
        digest = self.name.rpartition("-")[2]  # how names of folders end
        if known is not None and hashlib.sha256(known).hexdigest().startswith(digest):
            return known
        content = self._store.get(f"{self.name}/{sealed.MANIFEST}")
        if content is None:
            raise DamagedError(f"{self} is gone; restore it from a backup")
        self._store.cache.keep(key, [content])
        return content

    @cached_property
    def _files(self) -> Mapping[str, Mapping[str, Any]]:
        try:
            return dict(json.loads(self._manifest)["files"])
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(
                f"{self}: {sealed.MANIFEST} is not a manifest; restore it from a backup"
            ) from error

    def manifest(self, format_version: int) -> tuple[dict[str, Any], str]:
        """The manifest and the folder's digest; SealError when it is not of that format."""
        return sealed.parse_manifest(self._manifest, str(self), format_version)

    def has(self, name: str) -> bool:
        """Whether the manifest lists a file."""
        return name in self._files

    def size(self, name: str) -> int:
        """Bytes of a file, as sealed."""
        return int(self._facts(name)["bytes"])

    def file(self, name: str) -> Path:
        """A file as a path of this machine, fetched and compared with its digest if need be."""
        facts, cache = self._facts(name), self._store.cache
        key = self._store.key(f"{self.name}/{name}")
        known = cache.find(key, facts["bytes"])
        if known is not None:
            return known
        return cache.keep(key, self._parts(name))

    def _check(self, name: str) -> None:
        deque(self._parts(name), 0)

    def _parts(self, name: str) -> Iterator[memoryview]:
        """A whole file; DamagedError at its end when it is not what was sealed."""
        facts, digest = self._facts(name), hashlib.sha256()
        for start in range(0, facts["bytes"], CHUNK):
            length = min(CHUNK, facts["bytes"] - start)
            part = self._store.range(f"{self.name}/{name}", start, length)
            digest.update(part)
            yield part
        if digest.hexdigest() != facts["sha256"]:
            raise DamagedError(
                f"{self}: {name} was changed after it was sealed; restore it from a backup"
            )

    def whole(self) -> Path:
        """The folder as a path of this machine, every file compared with its digest."""
        together([partial(self.file, name) for name in self._files])
        cache = self._store.cache
        key = self._store.key(f"{self.name}/{sealed.MANIFEST}")
        found = cache.find(key, len(self._manifest)) or cache.keep(key, [self._manifest])
        return found.parent

    def ranges(self, name: str, starts: Sequence[int], lengths: Sequence[int]) -> list[memoryview]:
        """Parts of a file; DamagedError when it is not as long as it was sealed."""
        path = f"{self.name}/{name}"
        if name not in self._measured:
            found, sealed_with = self._store.size(path), self.size(name)
            if found != sealed_with:
                raise DamagedError(
                    f"{self}: {name} has {found} bytes, sealed with {sealed_with}; restore it "
                    "from a backup"
                )
            self._measured.add(name)
        some = [place for place, length in enumerate(lengths) if length]
        parts = self._store.ranges(path, [starts[i] for i in some], [lengths[i] for i in some])
        read = iter(parts)
        return [next(read) if length else memoryview(b"") for length in lengths]

    def kept_ranges(
        self, name: str, starts: Sequence[int], lengths: Sequence[int]
    ) -> list[memoryview]:
        """Parts of a file, of which the cache keeps each by itself."""
        cache = self._store.cache
        keys = [
            self._store.key(f"{self.name}/{name}.parts/{start}+{length}")
            for start, length in zip(starts, lengths, strict=True)
        ]
        found = [cache.part(key, length) for key, length in zip(keys, lengths, strict=True)]
        missing = [place for place, part in enumerate(found) if part is None]
        if missing:
            fetched = self.ranges(name, [starts[i] for i in missing], [lengths[i] for i in missing])
            for place, part in zip(missing, fetched, strict=True):
                cache.keep_part(keys[place], part)
                found[place] = part
        return [part for part in found if part is not None]

    def verify(self, manifest: Mapping[str, Any]) -> None:
        """Read every file from the store again and check its SHA-256; SealError."""
        found = {path: size for path, size, _ in self._store.under(self.name).listed()}
        for extra in sorted(set(found) - set(self._files) - {sealed.MANIFEST}):
            raise sealed.SealError(f"{self}: {extra} does not belong there")
        for name, facts in manifest["files"].items():
            if found.get(name, facts["bytes"]) != facts["bytes"]:
                raise sealed.SealError(f"{self}: {name} was changed after it was sealed")
        try:
            together([partial(self._check, name) for name in manifest["files"]])
        except DamagedError as error:
            raise sealed.SealError(str(error)) from error

    def _facts(self, name: str) -> Mapping[str, Any]:
        try:
            return self._files[name]
        except KeyError:
            raise DamagedError(f"{self}: {name} is missing; restore it from a backup") from None
