"""What is asked of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind
from scenestore.filters import ANY, Filter
from sgpd.errors import SceneSiftError

Strategy = Literal["auto", "guided", "exhaustive"]
Recall = Literal["0.95", "0.99", "exact"]


class RequestError(SceneSiftError):
    """A search asks for something that cannot be."""

    exit_code = 2


@dataclass(frozen=True)
class SearchRequest:
    """One query: exactly one of text, image, like (an entry's id) or embedding."""

    text: str | None = None
    image: NDArray[np.uint8] | None = None
    """Shape [h, w, 3], RGB."""
    like: str | None = None
    """Id of a live entry: its stored vector is the query, its own scene is left out."""
    embedding: NDArray[np.float32] | None = None
    """Shape [d]: a vector of the archive's own encoder."""
    kind: Kind = "chip"
    k: int = 10
    recall: Recall = "0.99"
    strategy: Strategy = "auto"
    where: Filter = ANY

    def __post_init__(self) -> None:
        given = [self.text, self.image, self.like, self.embedding]
        if sum(value is not None for value in given) != 1:
            raise RequestError("a search needs one of: a text, an image, or the id of an entry")
        if self.k < 1:
            raise RequestError(f"k is {self.k}; ask for at least 1 hit")
        if self.text is not None and not self.text.strip():
            raise RequestError("the text to search for is empty; give at least one word")
