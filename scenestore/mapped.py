"""Vectors of a segment in a memory map, scanned by FAISS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from scenestore.errors import DamagedError
from scenestore.lists import Lists

TIE = np.float32(1e-6)
"""float32 sums in another order than exact_scores: scores this near may change places."""


class MappedVectors:
    """The lists of a whole file; costs about no private memory until it is searched."""

    def __init__(self, file: Path, offsets: NDArray[np.int64]) -> None:
        """`offsets` [C + 1]: cell c holds positions offsets[c] to offsets[c + 1]."""
        try:
            index: Any = faiss.read_index(str(file), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:  # whose text is of FAISS's source lines
            what = "cannot be read (not what was written)" if file.exists() else "is missing"
            raise DamagedError(f"{file} {what}; run `scenesift audit`") from error
        self._index = index  # keeps the map
        self._offsets = offsets
        self._counts = np.diff(offsets)
        cells = np.flatnonzero(self._counts)
        codes_of = self._index.invlists.get_codes
        addresses = np.array([int(codes_of(cell)) for cell in cells.tolist()], np.int64)
        self.lists = Lists(
            offsets[cells], cells.astype(np.int32), addresses, int(offsets[-1]), int(self._index.d)
        )

    def at(self, positions: NDArray[np.int64]) -> NDArray[np.float16]:
        """The vectors at the given positions as they are stored, [n, d]."""
        return self.lists.vectors(positions)

    def best(
        self, query: NDArray[np.float32], cells: Sequence[int], size: int
    ) -> NDArray[np.int64]:
        """Positions of the best `size` vectors, and of all that tie with the last of them."""
        within = int(self._counts[np.asarray(cells, np.int64)].sum())
        self.lists.advise(cells)
        asked = min(size + 16, within)
        while asked:
            positions, scores = self._scan(query, cells, asked)
            if asked == within or scores[-1] < scores[size - 1] - TIE:
                return positions
            asked = min(2 * asked, within)
        return np.empty(0, np.int64)

    def _scan(
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
        positions = self._offsets[pairs[found] >> 32] + (pairs[found] & 0xFFFFFFFF)
        return positions, scores[found]
