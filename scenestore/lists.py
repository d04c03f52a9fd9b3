"""Inverted lists in memory maps: where the vector of a row lies, and in which cell."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists that hold anything, back to back: rows are numbered through all of them."""

    starts: NDArray[np.int64]
    """Shape [l]: the first row of each list, ascending from 0."""
    cells: NDArray[np.int32]
    """Shape [l]: the cell of each list."""
    addresses: NDArray[np.int64]
    """Shape [l]: where its fp16 vectors begin in memory."""
    rows: int
    """Of all lists together."""
    dimension: int

    @classmethod
    def joined(cls, parts: Sequence[Lists]) -> Lists:
        """Several as one: the rows of each follow those of the one before."""
        bases = np.cumsum([0, *(part.rows for part in parts)])
        starts = [base + part.starts for base, part in zip(bases[:-1], parts, strict=True)]
        return cls(
            np.concatenate([np.empty(0, np.int64), *starts]),
            np.concatenate([np.empty(0, np.int32), *(part.cells for part in parts)]),
            np.concatenate([np.empty(0, np.int64), *(part.addresses for part in parts)]),
            int(bases[-1]),
            parts[0].dimension if parts else 0,
        )

    def cells_of(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """The cell that each row lies in, same shape."""
        return self.cells[self._lists_of(rows)]

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors of the given rows as they are stored, [n, d]."""
        size = 2 * self.dimension
        lists = self._lists_of(rows)
        addresses = self.addresses[lists] + (rows - self.starts[lists]) * size
        raw = b"".join([ctypes.string_at(address, size) for address in addresses.tolist()])
        return np.frombuffer(raw, np.float16).reshape(len(rows), self.dimension)

    def _lists_of(self, rows: NDArray[np.int64]) -> NDArray[np.intp]:
        return np.searchsorted(self.starts, rows, side="right") - 1
