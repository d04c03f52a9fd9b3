"""A generation: a bundle with the log, documents and segments made with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from scenestore.batch import Batch, BatchContent, write_batch
from scenestore.calibrations import Calibrations
from scenestore.entry import Identity, SceneOutcome, scene_of
from scenestore.errors import DamagedError
from scenestore.log import Head, Log, LoggedBatch, is_brought
from scenestore.ports import Documents, Record
from scenestore.reader import SegmentReader
from scenestore.store import Store
from sgpd.bundle import Bundle
from sgpd.calibration import Calibration

Check = Callable[[], None]
"""Raises where what is being written is no longer ours to write."""


def unchecked() -> None:
    """For writes that nobody else can take over."""


class Generation:
    """Writes batches in the order that survives a crash: folder, documents, log."""

    def __init__(
        self,
        reader: SegmentReader,
        documents: Documents,
        calibrations: Calibrations | None = None,
    ) -> None:
        """`calibrations` keeps what was calibrated; without it nothing ever is."""
        self.reader = reader
        self.documents = documents
        self.calibrations = calibrations

    def calibration(self) -> Calibration | None:
        """The calibration in force, if there is one."""
        return self.calibrations.current() if self.calibrations else None

    def follow(self, *others: str) -> dict[str, Record]:
        """Read by one request what of the ledger searches follow: head and calibration in force.

        Returns what was found, `others` of the ledger's documents too.
        """
        calibrations = self.calibrations
        ours = [self.log.name, *([calibrations.name] if calibrations else [])]
        found = self.log.ledger.read_many([*ours, *others])
        if self.log.name in found:
            self.reader.remember(Head.from_json(found[self.log.name].value))
        if calibrations is not None:
            calibrations.remember(found.get(calibrations.name))
        return found

    @property
    def bundle(self) -> Bundle:
        """What decides codes and cells of everything in the generation."""
        return self.reader.bundle

    @property
    def log(self) -> Log:
        """The truth about what is in the generation."""
        return self.reader.log

    @property
    def store(self) -> Store:
        """Where its batches and segments lie."""
        return self.reader.store

    def create(self) -> None:
        """Make log and documents; nothing happens when they are there."""
        self.store.prepare()
        self.documents.create()
        self.reader.remember(self.log.create(self.bundle.digest))

    def publish(self, content: BatchContent, check: Check = unchecked) -> Batch:
        """Write a batch: folder (durable), then documents, then log; see `complete`."""
        batch = self.seal(content)
        self.complete(batch, check)
        return batch

    def seal(self, content: BatchContent) -> Batch:
        """Write a batch's folder, the first step of three."""
        return write_batch(content, self.store)

    def complete(self, batch: Batch, check: Check = unchecked) -> None:
        """Bring a durable batch folder into documents and log; safe to repeat.

        Entries of scenes whose outcome is another, newer write's are taken out again. `check` is
        called before each step, and raises where the write is no longer ours to make; ClosedError
        where another generation takes this one's place.
        """
        check()
        if not is_brought(batch.plan):
            self.reader.head(fresh=True).check_open()  # spares documents what the log will refuse
        overtaken = self.documents.write(batch)
        left = self._left_behind(batch, overtaken) if overtaken else []
        if left:
            self.publish(
                BatchContent(
                    ordinal=self.log.claim(),
                    plan=f"{batch.plan}-overtaken-{batch.ordinal}",
                    bundle=batch.bundle,
                    parts={},
                    outcomes=(),
                    tombstones=left,
                )
            )
        check()
        self.reader.remember(self.log.append(logged(batch)))

    def _left_behind(self, batch: Batch, overtaken: Sequence[SceneOutcome]) -> list[Identity]:
        """Identities of those scenes that still carry the keys of the batch.

        The newer write knew nothing of them, or it would have replaced them: an outcome is written
        after the entries.
        """
        scenes = {scene_of(outcome) for outcome in overtaken}
        self.documents.refresh()
        left: list[Identity] = []
        for kind in batch.rows:
            alive = self.documents.alive(kind, batch.keys(kind))
            for entry, is_alive in zip(batch.entries(kind), alive.tolist(), strict=True):
                who = entry.identity
                if is_alive and scene_of(who) in scenes:
                    left.append(who)
        return left

    def unfinished(self) -> list[Batch]:
        """Durable batch folders that the log lacks, left by a writer that died; oldest first.

        Folders of another bundle, and attempts that a later one replaced, are none of them.
        """
        return [
            batch
            for batch, newest in self._unlogged()
            if batch.bundle == self.bundle.digest and newest < batch.ordinal
        ]

    def overtaken(self) -> list[Batch]:
        """Batch folders that the log holds no more, or never will: later attempts replaced them."""
        return [batch for batch, newest in self._unlogged() if newest > batch.ordinal]

    def _unlogged(self) -> list[tuple[Batch, int]]:
        """Batch folders that the log lacks, and the ordinal that it has for their plan, else 0.

        A plan that was split is never logged itself: its halves, NAME.0 and NAME.1, stand for it.
        """
        done: set[int] = set()
        newest: dict[str, int] = {}
        for batch in self.log.batches():
            done.add(batch.ordinal)
            plan = batch.plan
            while plan:
                newest[plan] = max(newest.get(plan, 0), batch.ordinal)
                plan = plan.rpartition(".")[0]
        # Of a bucket that lists thousands at once; to ask which of all are whole takes ten times as
        # long, as every file is listed.
        left = [
            self._open(name)
            for name in _batches(self.store.parts())
            if _ordinal(name) not in done and name in self.store.names(name)
        ]
        return [(batch, newest.get(batch.plan, 0)) for batch in left]

    def folders(self) -> Iterator[Batch]:
        """Every batch folder of the store, by ordinal, whatever the log says."""
        return map(self._open, _batches(self.store.names()))

    def _open(self, name: str) -> Batch:
        return Batch.open(self.store.open(name))

    def remove_drafts(self) -> None:
        """Delete half-written folders of dead writers."""
        self.store.remove_drafts()

    def batch(self, ordinal: int) -> Batch:
        """The batch folder of an ordinal."""
        for logged in self.reader.head().batches:
            if logged.ordinal == ordinal:
                return self._open(logged.folder)
        for name in self.store.names(f"{ordinal:08d}-"):
            return self._open(name)
        raise DamagedError(f"batch {ordinal} is gone from {self.store}; restore it from a backup")


def logged(batch: Batch) -> LoggedBatch:
    """What the log says of a batch."""
    return LoggedBatch(batch.ordinal, batch.plan, batch.name, batch.rows, batch.size)


def _batches(names: Iterable[str]) -> list[str]:
    """Those of the names that are of batch folders, by ordinal."""
    return sorted((name for name in names if name[0].isdecimal()), key=_ordinal)


def _ordinal(name: str) -> int:
    return int(name.partition("-")[0])
