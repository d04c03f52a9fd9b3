"""Embeddings that were computed elsewhere, looked up by name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgpd.embeddings import checked
from sgpd.errors import EncoderError


class ArrayEncoder:
    """Unit vectors by name, as an `Encoder` that can look up but not encode."""

    def __init__(self, names: Sequence[str], vectors: ArrayLike, what: str = "embeddings") -> None:
        """One row of `vectors` [n, d] a name; EmbeddingError or EncoderError says what is bad."""
        rows = checked(vectors, what=what)
        if len(names) != len(rows):
            raise EncoderError(f"{what}: {len(names)} names for {len(rows)} vectors; give one each")
        self._row = {name: row for row, name in enumerate(names)}
        if len(self._row) != len(names):
            twice = next(name for row, name in enumerate(names) if self._row[name] != row)
            raise EncoderError(f"{what}: the name {twice!r} comes twice; names must be unique")
        self._vectors = rows
        digest = hashlib.sha256(json.dumps(list(names)).encode())
        digest.update(rows.tobytes())
        self.identity = f"arrays:{rows.shape[1]}:{digest.hexdigest()[:16]}"
        self.dimension = rows.shape[1]

    @classmethod
    def of(cls, vectors: Mapping[str, ArrayLike]) -> ArrayEncoder:
        """From a vector by name."""
        return cls(list(vectors), [np.asarray(vector) for vector in vectors.values()])

    @classmethod
    def read_parquet(cls, path: Path) -> ArrayEncoder:
        """From a Parquet file with the columns `name` and `embedding` (a list of d numbers)."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path, columns=["name", "embedding"])
            names, vectors = table["name"].to_pylist(), table["embedding"].to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise EncoderError(
                f"{path}: not a Parquet file with the columns name and embedding"
            ) from error
        return cls(names, vectors, what=str(path))

    @classmethod
    def read_npy(cls, vectors: Path, names: Path) -> ArrayEncoder:
        """From an .npy file [n, d] and a text file with one name a line."""
        try:
            rows = np.load(vectors, allow_pickle=False)
            lines = names.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise EncoderError(f"{vectors}, {names}: cannot be read ({error})") from error
        return cls(lines, rows, what=str(vectors))

    def vectors(self, names: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings [n, d] of the names; EncoderError for one that is not there."""
        try:
            return self._vectors[[self._row[name] for name in names]].reshape(-1, self.dimension)
        except KeyError as error:
            raise EncoderError(
                f"{error.args[0]!r}: no embedding of that name; compute it and add it"
            ) from None

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Refused: there is no model."""
        self._refuse()

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Refused: there is no model."""
        self._refuse()

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Refused: there is no model."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise EncoderError(
            f"{self.identity}: these embeddings were computed elsewhere and there is no model to "
            "encode with; search by name, or open the model that made them"
        )
