"""The log: the ordered list of a generation's batches, the only truth about what is in it.

The ledger holds, for each generation, a head document and sealed pages of older batches. Adding a
batch to the head by compare-and-set is the done-mark of its write. For each planned batch the log
keeps the highest attempt; a lower one that comes late changes nothing.

A log can be closed, by the same compare-and-set: no batch comes in after that, whoever writes it,
but for those that are brought over from the generation that took its place. So a switch loses
nothing (docs/decisions/0015-generations.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from scenestore.entry import Kind
from scenestore.errors import ClosedError, ConflictError, DamagedError, StoreError
from scenestore.ports import Ledger

FORMAT = 1
HEAD_BATCHES = 512
"""Batches that the head holds before older ones are sealed into a page (some 100 kB of JSON)."""
_BROUGHT = re.compile(r"g\d+-\d+(-|$)")
_ATTEMPTS = 100
"""Bound on compare-and-set retries; each lost race means that another writer got on."""


@dataclass(frozen=True, slots=True)
class LoggedBatch:
    """A batch whose documents are all written."""

    ordinal: int
    plan: str
    folder: str
    rows: Mapping[Kind, int]
    size: int = 0
    """Bytes of its files; 0 where that was not written down."""

    @property
    def is_brought(self) -> bool:
        """Whether it was first written to another generation."""
        return is_brought(self.plan)


def is_brought(plan: str) -> bool:
    """Whether a batch of that plan is brought over from another generation: `g1-12` is."""
    return _BROUGHT.match(plan) is not None


@dataclass(frozen=True, slots=True)
class LoggedSegment:
    """A compacted segment that searches read in place of the batches it covers."""

    folder: str
    ordinals: tuple[int, ...]
    rows: Mapping[Kind, int]
    size: int = 0
    """Bytes of its files; 0 where that was not written down."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest part of the log, and the segments that searches read."""

    generation: str
    bundle: str
    """Digest of the bundle of every batch in this log."""
    batches: tuple[LoggedBatch, ...] = ()
    """Newest last, by order of completion."""
    segments: tuple[LoggedSegment, ...] = ()
    pages: int = 0
    """How many sealed pages precede the head."""
    closed_for: str | None = None
    """The generation that takes this one's place: no batch comes in but those brought over."""

    def live_batches(self) -> tuple[LoggedBatch, ...]:
        """Batches that no compacted segment covers."""
        covered = {ordinal for segment in self.segments for ordinal in segment.ordinals}
        return tuple(batch for batch in self.batches if batch.ordinal not in covered)

    def to_json(self) -> dict[str, Any]:
        """What the ledger stores."""
        return {
            "format": FORMAT,
            "generation": self.generation,
            "bundle": self.bundle,
            "pages": self.pages,
            "closed_for": self.closed_for,
            "batches": [asdict(batch) for batch in self.batches],
            "segments": [asdict(segment) for segment in self.segments],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Head:
        """The head that `to_json` wrote; DamagedError when the format is not this one."""
        if value.get("format") != FORMAT:
            raise DamagedError(
                f"the log has format {value.get('format')}, this version reads {FORMAT}; "
                "use the version that wrote it, or `scenesift rebuild`"
            )
        return cls(
            value["generation"],
            value["bundle"],
            tuple(LoggedBatch(**batch) for batch in value["batches"]),
            tuple(
                LoggedSegment(**{**part, "ordinals": tuple(part["ordinals"])})
                for part in value["segments"]
            ),
            value["pages"],
            value.get("closed_for"),
        )

    def with_batch(self, batch: LoggedBatch) -> Head:
        """The head after a batch is done; of one plan's attempts the highest stays.

        ClosedError where a batch that would change it comes too late.
        """
        rivals = [other for other in self.batches if other.plan == batch.plan]
        if any(other.ordinal >= batch.ordinal for other in rivals):
            return self
        if not batch.is_brought:
            self.check_open()
        kept = tuple(other for other in self.batches if other not in rivals)
        return replace(self, batches=(*kept, batch))

    def check_open(self) -> None:
        """Raise ClosedError where no batch may come in any more."""
        if self.closed_for is not None:
            raise ClosedError(
                f"generation {self.generation} takes no more writes, {self.closed_for} takes its "
                "place; run the same command again"
            )

    def with_segment(self, segment: LoggedSegment) -> Head:
        """The head after compaction: the new segment replaces all whose batches it covers.

        It stays as it is where another segment has some of these batches already, and more.
        """
        covered = set(segment.ordinals)
        kept = tuple(other for other in self.segments if not covered.issuperset(other.ordinals))
        if any(not covered.isdisjoint(other.ordinals) for other in kept):
            return self
        return replace(self, segments=(*kept, segment))


class Log:
    """One generation's log in a ledger."""

    def __init__(self, ledger: Ledger, generation: str) -> None:
        self.generation = generation
        self.ledger = ledger
        self.name = f"log-{generation}"
        """Of the head's document in the ledger."""

    def create(self, bundle: str) -> Head:
        """Begin the log, or return the head of the one that is there."""
        empty = Head(self.generation, bundle)
        try:
            self.ledger.write(self.name, empty.to_json(), None)
        except ConflictError:
            return self.head()
        return empty

    def exists(self) -> bool:
        """Whether the log was begun."""
        return self.ledger.read(self.name) is not None

    def head(self) -> Head:
        """The head as of now."""
        record = self.ledger.read(self.name)
        if record is None:
            raise StoreError(f"generation {self.generation} has no log; run `scenesift rebuild`")
        return Head.from_json(record.value)

    def claim(self) -> int:
        """A fresh ordinal, never given before to any generation."""
        for _ in range(_ATTEMPTS):
            record = self.ledger.read("ordinals")
            ordinal = record.value["next"] if record else 1
            try:
                self.ledger.write(
                    "ordinals", {"next": ordinal + 1}, record.version if record else None
                )
            except ConflictError:
                continue
            return int(ordinal)
        raise ConflictError("no ordinal could be claimed: too many writers at once; run again")

    def reserve(self, ordinal: int) -> None:
        """Make sure that ordinals up to and including this one are never given again."""
        record = self.ledger.read("ordinals")
        if record is None or record.value["next"] <= ordinal:
            self.ledger.write("ordinals", {"next": ordinal + 1}, record.version if record else None)

    def append(self, batch: LoggedBatch) -> Head:
        """Mark a batch done; repeating it changes nothing. ClosedError once the log is closed."""
        return self._change(lambda head: head.with_batch(batch))

    def close(self, successor: str) -> Head:
        """Let only brought batches in, as the generation `successor` takes this one's place."""
        return self._change(lambda head: replace(head, closed_for=successor))

    def reopen(self, fence: Callable[[], None]) -> Head:
        """Let batches in again, after `fence`: called anew each time the log changed meanwhile."""

        def opened(head: Head) -> Head:
            fence()
            return replace(head, closed_for=None)

        return self._change(opened)

    def compacted(self, segment: LoggedSegment) -> Head:
        """Let searches read a compacted segment instead of what it covers."""
        return self._change(lambda head: head.with_segment(segment))

    def batches(self) -> Iterator[LoggedBatch]:
        """Every batch of the log, oldest first."""
        head = self.head()
        for page in range(head.pages):
            record = self.ledger.read(f"{self.name}-{page:06d}")
            if record is None:
                raise DamagedError(f"page {page} of the log is gone; run `scenesift rebuild`")
            yield from (LoggedBatch(**batch) for batch in record.value["batches"])
        yield from head.batches

    def drop(self) -> None:
        """Forget the log; the batch folders stay."""
        for name in self.ledger.names(self.name):
            self.ledger.delete(name)

    def _change(self, change: Callable[[Head], Head]) -> Head:
        for _ in range(_ATTEMPTS):
            record = self.ledger.read(self.name)
            if record is None:
                raise StoreError(f"generation {self.generation} has no log")
            before = Head.from_json(record.value)
            after = self._paged(change(before))
            if after == before:
                return before
            try:
                self.ledger.write(self.name, after.to_json(), record.version)
            except ConflictError:
                continue
            return after
        raise ConflictError("the log could not be changed: too many writers at once; run again")

    def _paged(self, head: Head) -> Head:
        """Seal the older half of a full head into a page; only compacted batches leave it."""
        if len(head.batches) <= HEAD_BATCHES:
            return head
        live = {batch.ordinal for batch in head.live_batches()}
        old = [batch for batch in head.batches[: HEAD_BATCHES // 2] if batch.ordinal not in live]
        if not old:
            return head
        page = {"format": FORMAT, "batches": [asdict(batch) for batch in old]}
        name = f"{self.name}-{head.pages:06d}"
        record = self.ledger.read(name)  # left by a writer that died before changing the head
        self.ledger.write(name, page, record.version if record else None)
        sealed = {batch.ordinal for batch in old}
        kept = tuple(batch for batch in head.batches if batch.ordinal not in sealed)
        return replace(head, batches=kept, pages=head.pages + 1)
