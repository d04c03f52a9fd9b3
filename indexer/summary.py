"""What an update of a collection did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from indexer.scene import EmbeddedScene

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


@dataclass
class Tally:
    """Counts results of scenes, one by one."""

    counts: Counter[Result] = field(default_factory=Counter)
    chips: int = 0
    captions: int = 0
    failures: list[Failure] = field(default_factory=list)
    """The first of them."""

    @property
    def scenes(self) -> int:
        """Scenes counted."""
        return self.counts.total()

    def add_all(self, scenes: Iterable[EmbeddedScene]) -> Self:
        """Count the scenes of a batch that was written."""
        for scene in scenes:
            outcome = scene.outcome
            if outcome.status == "failed":
                self.fail(outcome.scene, outcome.reason or "")
            elif outcome.status == "deleted":
                self.add("deleted")
            elif outcome.status == "skipped":
                self.add("settled")
            elif scene.chip is None:
                self.add("unchanged")
            else:
                self.add("updated" if scene.read.known else "indexed", 1, len(scene.captions))
        return self

    def merge(self, other: Tally) -> None:
        """Add what another counted."""
        self.counts += other.counts
        self.chips += other.chips
        self.captions += other.captions
        self.failures = [*self.failures, *other.failures][:FIRST_FAILURES]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "counts": dict(self.counts),
            "chips": self.chips,
            "captions": self.captions,
            "failures": [[failure.scene, failure.reason] for failure in self.failures],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        """The tally that `to_json` wrote."""
        tally = cls()
        tally.counts.update(value["counts"])
        tally.chips, tally.captions = value["chips"], value["captions"]
        tally.failures = [Failure(*failure) for failure in value["failures"]]
        return tally

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
