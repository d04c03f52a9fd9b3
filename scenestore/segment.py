"""Segments: inverted lists of one kind's fp16 vectors by cell, with their keys and postings.

A batch's own lists and several batches compacted are the same thing. Rows are ordered by cell and,
within a cell, by key; a row's place in that order is its position.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind
from scenestore.errors import DamagedError
from scenestore.lists import Lists
from scenestore.store import Folder
from sgpd.postings import Postings

_LISTS = "vectors.ivf"


def row_order(cells: NDArray[np.int32], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """The order of rows in a segment: by cell, then key."""
    return np.lexsort((keys, cells))


def write_segment(
    directory: Path,
    keys: NDArray[np.int64],
    vectors: NDArray[np.float32],
    cells: NDArray[np.int32],
    cell_count: int,
    postings: Postings,
) -> None:
    """Write a segment's files; rows must be in `row_order`, postings' rows are positions.

    keys [n], vectors [n, d] already rounded to fp16, cells [n].
    """
    directory.mkdir(parents=True, exist_ok=True)
    count, dimension = vectors.shape
    quantiser = faiss.IndexFlatIP(dimension)
    index = faiss.IndexIVFScalarQuantizer(
        quantiser,
        dimension,
        cell_count,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.is_trained = True  # the cells are ours: the quantiser stays empty
    if count:
        assigned = np.ascontiguousarray(cells, dtype=np.int64)
        index.add_core(
            count,
            faiss.swig_ptr(np.ascontiguousarray(vectors, dtype=np.float32)),
            faiss.swig_ptr(np.ascontiguousarray(keys)),
            faiss.swig_ptr(assigned),
        )
    try:
        faiss.write_index(index, str(directory / _LISTS))
    except RuntimeError as error:  # how FAISS says that a file cannot be written
        raise OSError(f"{_LISTS} cannot be written") from error
    np.save(directory / "keys.npy", keys)
    np.save(directory / "by_key.npy", np.argsort(keys, kind="stable").astype(np.uint32))
    np.save(directory / "offsets.npy", np.searchsorted(cells, np.arange(cell_count + 1)))
    for name, array in postings.arrays().items():
        np.save(directory / f"postings.{name}.npy", array)


class Segment:
    """A segment opened by memory map; costs about no private memory until it is searched."""

    def __init__(self, folder: Folder, kind: Kind) -> None:
        """`folder` is that of a batch or of compacted ones, with a part for the kind."""
        self._folder = folder
        self._kind = kind
        self.keys = self._array("keys")
        """Shape [n], int64, by position."""
        self.offsets = self._array("offsets")
        """Shape [C + 1]: cell c holds positions offsets[c] to offsets[c + 1]."""
        self._by_key = self._array("by_key")
        lists = folder.file(f"{kind}/{_LISTS}")
        try:
            self._index: Any = faiss.read_index(str(lists), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:  # whose text is of FAISS's source lines
            raise _damaged(lists, "not what was written") from error
        self.dimension = int(self._index.d)

    def _array(self, name: str) -> NDArray[Any]:
        # A plain view of the memory map: numpy's own subclass costs microseconds an operation.
        file = self._folder.file(f"{self._kind}/{name}.npy")
        try:
            return np.asarray(np.load(file, mmap_mode="r"))
        except (OSError, ValueError) as error:
            raise _damaged(file, str(error)) from error

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

    @cached_property
    def lists(self) -> Lists:
        """The inverted lists by position; valid as long as the segment is open."""
        cells = np.flatnonzero(self.counts)
        codes_of = self._index.invlists.get_codes
        addresses = np.array([int(codes_of(cell)) for cell in cells.tolist()], np.int64)
        starts = self.offsets[cells]
        return Lists(starts, cells.astype(np.int32), addresses, len(self), self.dimension)

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
        return self.lists.vectors(positions).astype(np.float32)

    def scan(
        self, query: NDArray[np.float32], cells: Sequence[int], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions and FAISS's scores of the best `size` vectors in given cells, best first."""
        assigned = np.ascontiguousarray(cells, dtype=np.int64)
        distances = np.zeros(len(assigned), np.float32)
        query = np.ascontiguousarray(query, dtype=np.float32)
        pairs = np.empty(size, np.int64)
        scores = np.empty(size, np.float32)
        parameters = faiss.SearchParametersIVF()
        parameters.nprobe = len(assigned)
        # The Python wrapper wants nprobe set on the shared index, which threads would race for.
        self._index.search_preassigned_c(
            1,
            faiss.swig_ptr(query),
            size,
            faiss.swig_ptr(assigned),
            faiss.swig_ptr(distances),
            faiss.swig_ptr(scores),
            faiss.swig_ptr(pairs),
            True,  # answer with the cell << 32 and the place in its list
            parameters,
        )
        found = pairs >= 0
        positions = self.offsets[pairs[found] >> 32] + (pairs[found] & 0xFFFFFFFF)
        return positions, scores[found]


def _damaged(file: Path, cause: str) -> DamagedError:
    what = f"cannot be read ({cause})" if file.exists() else "is missing"
    return DamagedError(f"{file} {what}; run `scenesift audit`")
