"""The protocol of what turns embeddings into codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes
from sgpd.lexicon import Lexicon


class Sparsifier(Protocol):
    """Turns embeddings into codes; implementations are made by a classmethod `fit`."""

    @property
    def name(self) -> str:
        """Which implementation it is; the bundle keeps it."""
        ...

    @property
    def lexicon(self) -> Lexicon:
        """Names of the terms."""
        ...

    def encode_documents(self, x: NDArray[np.float32]) -> Codes:
        """Codes of embeddings [n, d]; weights rounded; a row's code is the same in any batch."""
        ...

    def encode_queries(self, x: NDArray[np.float32], terms: int) -> Codes:
        """Codes of at most `terms` terms of embeddings [n, d]; weights are not rounded."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a bundle keeps besides the lexicon."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], lexicon: Lexicon) -> Self:
        """A sparsifier as saved by `arrays`."""
        ...
