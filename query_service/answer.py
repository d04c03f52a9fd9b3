"""What a search gives back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from query_service.request import Recall
from scenestore.cache import Reads
from scenestore.entry import Entry


@dataclass(frozen=True)
class MatchedTerm:
    """A term of a code, or one that query and entry share."""

    term: str
    word: str | None
    """What it is named by, a caption's word or a concept; None where none is known."""
    weight: float
    """In the code; where it is shared, the product of both."""
    share: float
    """Its part of the sum of weights, 0 to 1: of the sparse score, where it is shared."""

    def to_json(self) -> dict[str, Any]:
        """It as answers spell it."""
        return {
            "term": self.term,
            "word": self.word,
            "weight": self.weight,
            "share": self.share,
        }


@dataclass(frozen=True)
class Hit:
    """One entry found."""

    key: int
    score: float
    """Cosine of query and stored vector."""
    percentile: float
    """Percent of random entries of the archive that score lower."""
    entry: Entry
    terms: tuple[MatchedTerm, ...] = ()
    """What the guide matched it by; empty when not asked for or not in the guide."""


@dataclass(frozen=True)
class OpenedCell:
    """A dense cluster that was scanned, and why."""

    cell: int
    vectors: int
    expected: float
    """Hits that scanning it was expected to add; NaN where all cells were scanned."""
    normal: float = math.nan
    """E = n Q(z): its vectors that were expected above the k-th best exact score."""
    learned: float | None = None
    """Missed hits in it that the selector expected; None without one."""
    guide: int = 0
    """Documents of the guide that lie in it."""

    def to_json(self) -> dict[str, Any]:
        """It as answers spell it; what is not known is None."""
        return {
            "cell": self.cell,
            "vectors": self.vectors,
            "guide": self.guide,
            "expected": _finite(self.expected),
            "normal": _finite(self.normal),
            "learned": self.learned,
        }


@dataclass(frozen=True)
class Answer:
    """The hits of a search, and what finding them took."""

    hits: tuple[Hit, ...]
    generation: str
    """Name of the one generation that all of it came from."""
    strategy: str
    """`guided`, `exhaustive` or `matches` (of the filter), as it was done."""
    reason: str
    """Why so, and what is known of its recall."""
    recall: Recall
    scanned: int
    """Dense vectors scored, those of the guide included."""
    entries: int
    """Vectors of the kind that the archive's segments hold."""
    expected_recall: float | None
    """None where no calibration covers the search."""
    guide: int
    """Sparse hits that the guide returned."""
    cells: tuple[OpenedCell, ...]
    """Cells opened beside the guide, best first; empty when everything was scanned."""
    milliseconds: Mapping[str, float]
    """By step, in the order of the pipeline."""
    missing: tuple[str, ...] = ()
    """What failed and was left out, where the request allows it: `1 of 3 shards of ...`."""
    reads: Reads = field(default_factory=Reads)
    """What was asked of a remote store and of the cache before it; nothing where there is none."""
    query_terms: tuple[MatchedTerm, ...] = ()
    """The query's code, strongest first; empty when no explanation was asked for."""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
