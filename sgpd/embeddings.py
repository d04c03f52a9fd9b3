"""Embeddings: rows of unit length, and the fp16 form in which they are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgpd.errors import EmbeddingError

UNIT_TOLERANCE = 1e-3
"""Rows whose length is this near to 1 are taken as they are: rounding to fp16 moves a row's
length by less than 5e-4, so that stored vectors pass unchanged."""


def checked(
    x: ArrayLike, dimension: int | None = None, what: str = "embeddings"
) -> NDArray[np.float32]:
    """Embeddings [n, d] as unit rows of float32; EmbeddingError names the first row that is bad.

    Rows that are further than UNIT_TOLERANCE from unit length are normalised.
    """
    try:
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(x, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingError(f"{what}: not an array of numbers; give floats [n, d]") from error
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise EmbeddingError(f"{what}: shape {list(rows.shape)}; give one row a vector, [n, d]")
    if dimension is not None and rows.shape[1] != dimension:
        raise EmbeddingError(
            f"{what}: vectors have {rows.shape[1]} dimensions, {dimension} expected; "
            "use the encoder that the bundle was fitted with"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    for bad, fault in ((~np.isfinite(lengths), "NaN or infinite"), (lengths == 0, "all zeros")):
        if bad.any():
            raise EmbeddingError(
                f"{what}: row {int(np.argmax(bad))} is {fault}; leave it out or encode it again"
            )
    far = np.abs(lengths - 1) > UNIT_TOLERANCE
    if far.any():
        rows = rows.copy()
        rows[far] = rows[far] / lengths[far, None]
    return rows


def stored(x: NDArray[np.floating]) -> NDArray[np.float32]:
    """The vectors as they are kept, rounded to fp16, as float32; any shape, idempotent.

    Cells and codes are always computed from these.
    """
    return x.astype(np.float16).astype(np.float32)


def distinct_rows(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each different row of stored vectors once, in a fixed order."""
    halves = np.ascontiguousarray(x.astype(np.float16) + np.float16(0))  # -0 is 0
    rows = halves.view(np.dtype((np.void, halves.strides[0]))).ravel()
    return stored(np.unique(rows).view(np.float16).reshape(-1, x.shape[1]))
