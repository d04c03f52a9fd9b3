"""The shard store: where sealed folders lie, and small blobs beside them.

Batches, segments, bundles and calibrations are sealed folders: a reader sees all of one or nothing,
and none is ever changed. One contract suite holds every store to this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol


class Folder(Protocol):
    """A published folder; where it is remote, its files come to this machine as they are asked for.

    DamagedError, with `str()` as its address, when something is not what was published, or gone.
    Where nothing is fetched, whoever reads a file finds that out.
    """

    @property
    def name(self) -> str:
        """Its name in the store."""

    @property
    def is_remote(self) -> bool:
        """Whether reading a part of a file costs a request, and whole files are copied."""

    def manifest(self, format_version: int) -> tuple[dict[str, Any], str]:
        """Its manifest and digest; `sgpd.sealed.SealError` when it has another format."""

    def verify(self, manifest: Mapping[str, Any]) -> None:
        """Compare every file with its digest, as it lies in the store; SealError names a fault."""

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""

    def size(self, name: str) -> int:
        """Bytes of a file."""

    def file(self, name: str) -> Path:
        """A file as a path of this machine, to be opened at once; a fetched one was checked."""

    def whole(self) -> Path:
        """The folder as a path of this machine, to be read at once."""

    def ranges(
        self, name: str, starts: Sequence[int], lengths: Sequence[int]
    ) -> Sequence[bytes | memoryview]:
        """Parts of a file, asked for at once; not checked, and not kept."""

    def kept_ranges(
        self, name: str, starts: Sequence[int], lengths: Sequence[int]
    ) -> Sequence[bytes | memoryview]:
        """Parts of a file that will be asked for again, each by itself; not checked."""


class Store(Protocol):
    """Sealed folders and blobs by name; every write is durable before it returns.

    Every call raises StoreError, in one line with the store's address, when it cannot be done, and
    UnavailableError when the store does not answer. `str()` gives the address.
    """

    def under(self, prefix: str) -> Store:
        """The part of the store below a name; nothing is created."""

    def parts(self) -> list[str]:
        """Names below which there is anything, sorted."""

    def prepare(self) -> None:
        """Make what is needed to write here; nothing happens when it is there."""

    def draft(self) -> AbstractContextManager[Path]:
        """An empty folder of this machine to fill and publish; gone when the block is left."""

    def publish(self, draft: Path, name: str) -> None:
        """Let a sealed folder of a draft appear under a name, whole or not at all.

        A folder that has the name already is kept.
        """

    def names(self, prefix: str = "") -> list[str]:
        """Names of the folders that begin with `prefix`, sorted."""

    def open(self, name: str) -> Folder:
        """The folder of a name; nothing is read before something is asked of it."""

    def remove(self, name: str) -> None:
        """Remove a folder or a blob; nothing happens when there is none."""

    def clear(self) -> None:
        """Remove everything below here."""

    def remove_drafts(self) -> None:
        """Remove what writers left that died; drafts of living ones stay."""

    def put(self, name: str, content: bytes) -> bool:
        """Write a blob, whole or not at all; False where the name is taken, and nothing changed."""

    def get(self, name: str) -> bytes | None:
        """The content of a blob; None where there is none."""

    def age(self, name: str) -> float:
        """Seconds since a blob was written, by the clock of the store itself."""

    def blobs(self) -> list[str]:
        """Names of the blobs directly here, sorted."""
