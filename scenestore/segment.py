"""Segments: inverted lists of one kind's fp16 vectors by cell, with their keys and postings.

A batch's own lists and several batches compacted are the same thing. Rows are ordered by cell and,
within a cell, by key; a row's place in that order is its position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind
from scenestore.errors import DamagedError
from scenestore.lists import Lists
from scenestore.lists_file import write_lists
from scenestore.mapped import MappedVectors
from scenestore.ranged import RangedVectors
from scenestore.store import Folder
from scenestore.together import together
from sgpd.arrays import load_array
from sgpd.postings import Postings

WHOLE_BYTES = 4 << 20
"""Vectors up to which a remote segment is fetched whole: no longer than a few requests take."""
FORMAT = 1
"""Of the folders that hold segments, batches' own and compacted ones."""
_LISTS = "vectors.ivf"
_ARRAYS = ("keys", "offsets", "by_key")
_SAMPLE = "sample"
SAMPLED = 2_000
"""Vectors that a large segment lays by, drawn at random."""


def row_order(cells: NDArray[np.int32], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of rows in a segment: by cell, then key."""
    return np.lexsort((keys, cells))


def write_segment(
    directory: Path,
    keys: NDArray[np.int64],
    blocks: Iterable[NDArray[np.floating]],
    dimension: int,
    cells: NDArray[np.int32],
    cell_count: int,
    postings: Postings,
) -> None:
    """Write a segment's files; rows must be in `row_order`, postings' rows are positions.

    keys [n], cells [n]; blocks [m, d] of the vectors, n rows in all, already rounded to fp16.
    """
    directory.mkdir(parents=True, exist_ok=True)
    offsets = np.searchsorted(cells, np.arange(cell_count + 1))
    write_lists(directory / _LISTS, dimension, offsets, keys, blocks)
    np.save(directory / "keys.npy", keys)
    np.save(directory / "by_key.npy", np.argsort(keys, kind="stable").astype(np.uint32))
    np.save(directory / "offsets.npy", offsets)
    if 2 * dimension * len(keys) > WHOLE_BYTES:
        drawn = np.random.default_rng(int(keys[0])).permutation(len(keys))[:SAMPLED]
        np.save(directory / f"{_SAMPLE}.npy", MappedVectors(directory / _LISTS, offsets).at(drawn))
    for name, array in postings.arrays().items():
        np.save(directory / f"postings.{name}.npy", array)


class Segment:
    """A segment opened by memory map, or where its vectors are many and remote, by ranges."""

    def __init__(self, folder: Folder, kind: Kind, whole: bool = False) -> None:
        """`folder` is that of a batch or of compacted ones, with a part for the kind.

        `whole`: everything will be read, so that ranges are of no use.
        """
        self._folder = folder
        self._kind = kind
        if folder.is_remote:  # what follows asks for one after the other
            together([partial(folder.file, f"{kind}/{name}.npy") for name in _ARRAYS])
        self.keys, self.offsets, self._by_key = (self._array(name) for name in _ARRAYS)
        """keys [n], int64, by position; offsets [C + 1]: where cells begin."""
        lists = f"{kind}/{_LISTS}"
        self._vectors: MappedVectors | RangedVectors
        if folder.is_remote and not whole and folder.size(lists) > WHOLE_BYTES:
            self._vectors = RangedVectors(folder, lists, self.offsets)
        else:
            self._vectors = MappedVectors(folder.file(lists), self.offsets)

    @property
    def is_mapped(self) -> bool:
        """Whether its vectors have addresses in memory."""
        return isinstance(self._vectors, MappedVectors)

    def _array(self, name: str) -> NDArray[Any]:
        file = self._folder.file(f"{self._kind}/{name}.npy")
        try:
            return load_array(file, mapped=True)
        except (OSError, ValueError) as error:
            what = f"cannot be read ({error})" if file.exists() else "is missing"
            raise DamagedError(f"{file} {what}; run `scenesift audit`") from error

    @property
    def name(self) -> str:
        """Name of the folder of the store that it is in."""
        return self._folder.name

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Vectors in each cell, shape [C]."""
        return np.diff(self.offsets)

    @cached_property
    def postings(self) -> Postings:
        """Term to positions, weights; memory-mapped."""
        names = Postings.ARRAYS
        return Postings.from_arrays({name: self._array(f"postings.{name}") for name in names})

    @property
    def lists(self) -> Lists:
        """The inverted lists by position; valid as long as the segment is open."""
        return self._vectors.lists

    def positions(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The position of each key, same shape; -1 where the segment lacks it."""
        if not len(self):
            return np.full(len(keys), -1, np.int64)
        place = np.searchsorted(self.keys, keys, sorter=self._by_key)
        position = self._by_key[np.minimum(place, len(self) - 1)].astype(np.int64)
        return np.where(self.keys[position] == keys, position, -1)

    def cells_of(self, positions: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cell that each position lies in, same shape."""
        return self.lists.cells_of(positions)

    def vectors(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """The stored vectors at the given positions, [n, d]."""
        return self.stored(positions).astype(np.float32)

    def stored(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors at the given positions as they are stored, [n, d]."""
        return self._vectors.at(positions)

    def drawn(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """So many vectors at random [n, d]: those laid by for that, else those at the positions.

        Random rows lie in as many cells, and each costs a request where they are remote.
        """
        laid_by = self._folder.has(f"{self._kind}/{_SAMPLE}.npy")
        if laid_by and len(positions) <= min(SAMPLED, len(self)):
            return np.asarray(self._array(_SAMPLE)[: len(positions)])
        return self.stored(positions)

    def best(
        self, query: NDArray[np.float32], cells: Sequence[int], size: int
    ) -> NDArray[np.int64]:
        """Positions of the best `size` vectors in given cells, and of all that tie with the last.

        By float32 scores, in no order.
        """
        return self._vectors.best(query, cells, size)
