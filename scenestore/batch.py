"""Batch folders: the unit of indexing and the unit of truth.

A batch is one sealed folder named by ordinal and digest:

    manifest.json            ordinal, planned batch, bundle digest, rows by kind, files' SHA-256
    outcomes.parquet         one row a scene
    tombstones.parquet       identities that the batch takes out of the archive
    thumbnails.bin, .npy     small JPEGs back to back, and their offsets
    chip/, caption/          a segment each, with codes.*.npy by row and docs.parquet

Rows of all kinds are numbered through: chips first, then captions; key = ordinal x 2^20 + row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scenestore import keys as key_space
from scenestore.entry import KINDS, Entry, Identity, Kind, SceneOutcome
from scenestore.errors import DamagedError, StoreError
from scenestore.segment import FORMAT, Segment, row_order, write_segment
from scenestore.store import Folder, Store
from scenestore.tables import entry_from_row, entry_table, outcome_table, tombstone_table
from sgpd import sealed
from sgpd.arrays import load_array
from sgpd.codes import Codes
from sgpd.postings import Postings

_CODE_ARRAYS = ("indptr", "terms", "weights")


@dataclass(frozen=True)
class CodedEntries:
    """Entries of one kind with all that is indexed of them; rows in any order."""

    entries: Sequence[Entry]
    vectors: NDArray[np.float32]
    """Shape [n, d], rounded to fp16."""
    cells: NDArray[np.int32]
    """Shape [n]."""
    codes: Codes
    """n codes with rounded weights."""
    cell_count: int

    def sorted_by_cell(self) -> CodedEntries:
        """The same entries in the order of their cells; within a cell the order stays."""
        order = row_order(self.cells, np.arange(len(self.entries)))
        return CodedEntries(
            [self.entries[i] for i in order],
            self.vectors[order],
            self.cells[order],
            self.codes.take(order),
            self.cell_count,
        )


@dataclass(frozen=True)
class BatchContent:
    """What goes into a batch folder."""

    ordinal: int
    plan: str
    """Name of the planned batch of which this is one attempt."""
    bundle: str
    """Digest of the bundle that made codes and cells."""
    parts: Mapping[Kind, CodedEntries]
    outcomes: Sequence[SceneOutcome]
    tombstones: Sequence[Identity] = ()
    thumbnails: Sequence[bytes] = ()


def write_batch(content: BatchContent, store: Store) -> Batch:
    """Write the batch as a durable folder of the store; it appears whole or not at all.

    Raises StoreError when the disk does not take it.
    """
    with store.draft() as draft:
        try:
            digest = _write_files(content, draft)
        except OSError as error:
            raise StoreError(
                f"batch {content.ordinal} cannot be written to {store}: {error.strerror or error}; "
                "make room or permit writing, then run again: what was indexed is kept"
            ) from error
        name = f"{content.ordinal:08d}-{digest[:16]}"
        store.publish(draft, name)
    return Batch.open(store.open(name))


def _write_files(content: BatchContent, draft: Path) -> str:
    kinds: dict[str, dict[str, int]] = {}
    first_row = 0
    for kind in KINDS:
        part = content.parts.get(kind)
        if part is None or not part.entries:
            continue
        rows = len(part.entries)
        if first_row + rows > key_space.MAX_ROWS:
            raise StoreError(f"a batch holds at most {key_space.MAX_ROWS} entries")
        first_key = key_space.first_key(content.ordinal) + first_row
        _write_part(part.sorted_by_cell(), first_key, draft / kind)
        kinds[kind] = {"first_row": first_row, "rows": rows}
        first_row += rows
    pq.write_table(outcome_table(content.outcomes), draft / "outcomes.parquet")
    pq.write_table(tombstone_table(content.tombstones), draft / "tombstones.parquet")
    (draft / "thumbnails.bin").write_bytes(b"".join(content.thumbnails))
    np.save(draft / "thumbnails.npy", np.cumsum([0, *map(len, content.thumbnails)]))
    description = {
        "format": FORMAT,
        "ordinal": content.ordinal,
        "plan": content.plan,
        "bundle": content.bundle,
        "kinds": kinds,
        "outcomes": len(content.outcomes),
        "tombstones": len(content.tombstones),
    }
    return sealed.seal(draft, description)


def _write_part(part: CodedEntries, first_key: int, directory: Path) -> None:
    keys = first_key + np.arange(len(part.entries), dtype=np.int64)
    postings = Postings.build(part.codes)
    vectors = part.vectors
    dimension = vectors.shape[1]
    write_segment(directory, keys, [vectors], dimension, part.cells, part.cell_count, postings)
    for name in _CODE_ARRAYS:
        np.save(directory / f"codes.{name}.npy", getattr(part.codes, name))
    pq.write_table(entry_table(part.entries), directory / "docs.parquet")


class Batch:
    """A batch folder opened for reading."""

    def __init__(self, folder: Folder, manifest: Mapping[str, Any], digest: str) -> None:
        self.folder = folder
        self.digest = digest
        self.ordinal: int = manifest["ordinal"]
        self.plan: str = manifest["plan"]
        self.bundle: str = manifest["bundle"]
        self.rows: dict[Kind, int] = {k: manifest["kinds"][k]["rows"] for k in manifest["kinds"]}
        self._manifest = manifest

    @classmethod
    def open(cls, folder: Folder) -> Batch:
        """Open a folder; DamagedError when the manifest, a file's presence or a size is off."""
        try:
            manifest, digest = folder.manifest(FORMAT)
        except sealed.SealError as error:
            raise DamagedError(f"batch {error}; restore it from a backup") from error
        if not folder.name.endswith(digest[:16]):
            raise DamagedError(f"batch {folder}: the manifest was changed after sealing")
        return cls(folder, manifest, digest)

    def verify(self) -> None:
        """Compare every file with its SHA-256; DamagedError names the first that differs."""
        try:
            self.folder.verify(self._manifest)
        except sealed.SealError as error:
            raise DamagedError(f"batch {error}; restore it from a backup") from error

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(facts["bytes"] for facts in self._manifest["files"].values())

    def keys(self, kind: Kind) -> NDArray[np.int64]:
        """Keys of the kind's rows in order, [n]."""
        first_row: int = self._manifest["kinds"][kind]["first_row"]
        return (
            key_space.first_key(self.ordinal)
            + first_row
            + np.arange(self.rows[kind], dtype=np.int64)
        )

    def segment(self, kind: Kind) -> Segment:
        """The kind's inverted lists and postings."""
        return Segment(self.folder, kind)

    def codes(self, kind: Kind) -> Codes:
        """Codes of the kind's rows in order, memory-mapped."""
        files = (self.folder.file(f"{kind}/codes.{name}.npy") for name in _CODE_ARRAYS)
        return Codes(*(load_array(file, mapped=True) for file in files))

    def cells(self, kind: Kind) -> NDArray[np.int32]:
        """Cells of the kind's rows in order, [n]."""
        counts = np.diff(load_array(self.folder.file(f"{kind}/offsets.npy")))
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    def entries(self, kind: Kind) -> list[Entry]:
        """The kind's entries in the order of rows."""
        table = pq.read_table(self.folder.file(f"{kind}/docs.parquet"))
        return [entry_from_row(row) for row in table.to_pylist()]

    def ids(self, kind: Kind) -> list[str]:
        """Ids of the kind's entries in the order of rows."""
        table = pq.read_table(self.folder.file(f"{kind}/docs.parquet"), columns=["id"])
        ids: list[str] = table["id"].to_pylist()
        return ids

    @property
    def outcomes(self) -> list[SceneOutcome]:
        """What became of each scene of the batch."""
        table = pq.read_table(self.folder.file("outcomes.parquet"))
        return [SceneOutcome(**row) for row in table.to_pylist()]

    @property
    def tombstones(self) -> list[Identity]:
        """The identities that the batch takes out of the archive."""
        if not self._manifest["tombstones"]:
            return []
        table = pq.read_table(self.folder.file("tombstones.parquet"))
        return [Identity.parse(text) for text in table["identity"].to_pylist()]

    @cached_property
    def _thumbnail_offsets(self) -> NDArray[np.int64]:
        return load_array(self.folder.file("thumbnails.npy"))

    def thumbnail(self, place: int) -> bytes:
        """The JPEG at a place in the pack."""
        return self.thumbnails([place])[0]

    def thumbnails(self, places: Sequence[int]) -> list[bytes]:
        """The JPEGs at places in the pack."""
        bounds = [self._thumbnail_offsets[place : place + 2].tolist() for place in places]
        starts, lengths = [start for start, _ in bounds], [stop - start for start, stop in bounds]
        return [bytes(part) for part in self.folder.ranges("thumbnails.bin", starts, lengths)]
