"""What is asked of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind
from scenestore.filters import ANY, Filter
from sgpd.calibration import Asked
from sgpd.errors import SceneSiftError

Strategy = Literal["auto", "guided", "exhaustive"]
DEEPEST = 10_000
"""Rank up to which hits are given, page by page."""
Recall = str
"""A share of the true hits above 0 and below 1, such as "0.99", or "exact"."""


GroupBy = Literal["scene", "place"]
"""What hits are grouped by; the best hit of a group stands for it."""


class RequestError(SceneSiftError):
    """A search asks for something that cannot be."""

    exit_code = 2


@dataclass(frozen=True)
class After:
    """Where a page goes on: the last hit of the one before."""

    score: float
    key: int
    rank: int
    """Hits up to and including that one."""


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
    embedded: Asked | None = None
    """What the embedding, or the entry to be like, is; no calibration covers what is not said."""
    kind: Kind = "chip"
    k: int = 10
    recall: Recall = "0.99"
    strategy: Strategy = "auto"
    where: Filter = ANY
    group_by: GroupBy | None = None
    min_score: float | None = None
    """Hits below it are left out."""
    after: After | None = None
    """Only hits that come after this one are given."""
    partial: bool = False
    """Whether what fails is left out, and the answer says so, in place of an error."""

    def __post_init__(self) -> None:
        ways = {
            "a text": self.text,
            "an image": self.image,
            "an entry to be like": self.like,
            "a vector": self.embedding,
        }
        given = [name for name, value in ways.items() if value is not None]
        if not given:
            raise RequestError("a search needs one of: a text, an image, or the id of an entry")
        if len(given) > 1:
            raise RequestError(f"the search has {' and '.join(given)}; give only one of them")
        recall_target(self.recall)
        if self.k < 1:
            raise RequestError(f"k is {self.k}; ask for at least 1 hit")
        if self.after and self.depth > DEEPEST:
            raise RequestError(
                f"the page ends at hit {self.depth:,}, beyond the {DEEPEST:,} that can be paged "
                "through; narrow the search by a filter"
            )
        if self.text is not None and not self.text.strip():
            raise RequestError("the text to search for is empty; give at least one word")

    @property
    def depth(self) -> int:
        """Rank of the last hit that is asked for."""
        return self.k + (self.after.rank if self.after else 0)

    @property
    def target(self) -> float:
        """The share of the true top k to find on average; 1 for exact."""
        return recall_target(self.recall)

    @property
    def asked(self) -> Asked | None:
        """What the query is; None for a vector, or an entry to be like, while that is not said."""
        if self.text is not None:
            return "text"
        return "image" if self.image is not None else self.embedded


def recall_target(recall: Recall) -> float:
    """The number that a recall stands for, 1 for exact; RequestError where it stands for none."""
    if recall == "exact":
        return 1.0
    try:
        target = float(recall)
    except ValueError:
        target = 0.0
    if not 0 < target < 1:
        raise RequestError(f"recall {recall!a} is neither `exact` nor a number above 0 and below 1")
    return target
