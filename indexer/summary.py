"""What an update of a collection did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

FIRST_FAILURES = 10
"""Failures that a summary names."""

Result = Literal["indexed", "updated", "unchanged", "deleted", "failed", "settled"]


@dataclass(frozen=True)
class Failure:
    """A scene that could not be indexed, and why."""

    scene: str
    reason: str


@dataclass(frozen=True)
class Summary:
    """What an update did; after a dry run, what it would do."""

    collection: str
    source: str
    dry_run: bool
    indexed: int
    """Scenes that are new in the archive."""
    updated: int
    """Scenes whose image, captions or metadata changed."""
    unchanged: int
    deleted: int
    failed: int
    settled: int
    """Scenes that failed or were deleted on request before, and were not tried again."""
    chips: int
    """Chips written."""
    captions: int
    """Captions written."""
    others: int
    """Files in the source that are no images."""
    resumed: int
    """Batches of a writer that died, brought to their end first."""
    seconds: float
    images_per_second: float
    failures: tuple[Failure, ...]
    """The first failures of this run."""
    notes: tuple[str, ...]
    """What of the captions was not used, a line each."""


class Tally:
    """Counts results of scenes, one by one."""

    def __init__(self) -> None:
        self.counts: Counter[Result] = Counter()
        self.chips = 0
        self.captions = 0
        self.failures: list[Failure] = []

    def add(self, result: Result, chips: int = 0, captions: int = 0) -> None:
        """Count a scene and the entries that were written of it."""
        self.counts[result] += 1
        self.chips += chips
        self.captions += captions

    def fail(self, scene: str, reason: str) -> None:
        """Count a scene that failed."""
        self.counts["failed"] += 1
        if len(self.failures) < FIRST_FAILURES:
            self.failures.append(Failure(scene, reason))


def examples(names: Iterable[str], count: int) -> str:
    """The first names of many as a person reads them: `a, b, c and 7 more`."""
    shown = list(names)
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
