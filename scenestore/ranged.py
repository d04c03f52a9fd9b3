"""Vectors of a large segment in a remote store: read cell by cell, and kept in the cache.

The lists lie at the end of FAISS's file, those of each cell as vectors, then ids. Where a cell's
vectors begin follows from the size of the file and the offsets of the cells.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenestore.errors import DamagedError
from scenestore.lists import Lists
from scenestore.mapped import TIE
from scenestore.store import Folder
from sgpd.scoring import products

_HEAD = struct.Struct("<4si")
"""FAISS's mark of the kind of index, and the dimension."""
_ID_BYTES = 8


class RangedVectors:
    """The lists of a file that stays where it is."""

    def __init__(self, folder: Folder, file: str, offsets: NDArray[np.int64]) -> None:
        """`offsets` [C + 1]: cell c holds positions offsets[c] to offsets[c + 1]."""
        self._folder = folder
        self._file = file
        self._offsets = offsets
        (head,) = folder.kept_ranges(file, [0], [_HEAD.size])
        mark, dimension = _HEAD.unpack(head)
        self._row = 2 * dimension + _ID_BYTES
        self._base = folder.size(file) - int(offsets[-1]) * self._row
        if mark != b"IwSq" or self._base < _HEAD.size:
            raise DamagedError(f"{folder}: {file} is not what was written; run `scenesift audit`")
        cells = np.flatnonzero(np.diff(offsets))
        nowhere = np.zeros(len(cells), np.int64)
        self.lists = Lists(
            offsets[cells], cells.astype(np.int32), nowhere, int(offsets[-1]), dimension
        )

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors at the given positions as they are stored, [n, d]."""
        cells, lists = np.unique(self.lists.cells_of(positions), return_inverse=True)
        found = np.empty((len(positions), self.lists.dimension), np.float16)
        for number, vectors in enumerate(self.cells(cells.tolist())):
            rows = lists == number
            found[rows] = vectors[positions[rows] - self._offsets[cells[number]]]
        return found

    def best(
        self, query: NDArray[np.float32], cells: Sequence[int], size: int
    ) -> NDArray[np.int64]:
        """Positions of the best `size` vectors, and of all that tie with the last of them."""
        opened = [cell for cell in cells if self._offsets[cell] < self._offsets[cell + 1]]
        if not opened:
            return np.empty(0, np.int64)
        scores = np.concatenate(
            [products(vectors.astype(np.float32), query) for vectors in self.cells(opened)]
        )
        positions = np.concatenate(
            [np.arange(self._offsets[cell], self._offsets[cell + 1]) for cell in opened]
        )
        if size < len(scores):
            last = np.partition(scores, len(scores) - size)[len(scores) - size]
            positions = positions[scores >= last - TIE]
        return positions

    def cells(self, cells: Sequence[int]) -> list[NDArray[np.float16]]:
        """The vectors of each cell, [n, d]; what is not in the cache is asked for at once."""
        first, stop = self._offsets[cells], self._offsets[np.asarray(cells, np.int64) + 1]
        starts = (self._base + first * self._row).tolist()
        lengths = ((stop - first) * 2 * self.lists.dimension).tolist()
        return [
            np.frombuffer(part, np.float16).reshape(-1, self.lists.dimension)
            for part in self._folder.kept_ranges(self._file, starts, lengths)
        ]
