"""The file of inverted lists, as FAISS reads it, written row by row in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

_EMPTY = b"sprs" + bytes(8)
"""How FAISS ends a file without any vector."""


def write_lists(
    file: Path,
    dimension: int,
    offsets: NDArray[np.int64],
    keys: NDArray[np.int64],
    blocks: Iterable[NDArray[np.floating]],
) -> None:
    """Write vectors that are given in the order of rows, block by block, as fp16.

    offsets [C + 1]: cell c holds rows offsets[c] to offsets[c + 1]; keys [n]; blocks [m, d], n rows
    in all. FAISS's own writer wants all of them in memory; the file is the same to the last byte.
    """
    held = np.flatnonzero(np.diff(offsets))
    bounds = iter(zip(offsets[held].tolist(), offsets[held + 1].tolist(), strict=True))
    start, stop = next(bounds, (0, 0))
    row = 0
    with file.open("wb") as stream:
        stream.write(_head(dimension, offsets))
        for block in blocks:
            vectors = np.ascontiguousarray(block, np.float16)
            while len(vectors):
                some = vectors[: stop - row]
                stream.write(some.data)
                vectors, row = vectors[len(some) :], row + len(some)
                if row == stop:
                    stream.write(np.ascontiguousarray(keys[start:stop], np.int64).data)
                    start, stop = next(bounds, (stop, stop))


def _head(dimension: int, offsets: NDArray[np.int64]) -> bytes:
    """All that comes before the lists: what the index is, and how long each list is."""
    cell_count = len(offsets) - 1
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension),
        dimension,
        cell_count,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.is_trained = True  # the cells are ours: the quantiser stays empty
    index.ntotal = int(offsets[-1])
    head = faiss.serialize_index(index).tobytes()
    assert head.endswith(_EMPTY), "this version of FAISS writes another format"
    counts = np.diff(offsets).astype(np.uint64)
    held = np.flatnonzero(counts)
    if len(held) > cell_count // 2:
        mark, sizes = b"full", counts
    else:
        mark, sizes = b"sprs", np.stack([held.astype(np.uint64), counts[held]], axis=1).ravel()
    return head[: -len(_EMPTY)] + mark + np.uint64(len(sizes)).tobytes() + sizes.tobytes()
