"""Planner: hands out the batches of a run, sees that each gets done, and halves what kills workers.

It keeps a bounded number of batches in flight and reads their documents, never a search. Time is
told by its own monotonic clock alone: what stood still for the run's `stall_seconds` is handed out
again. All that it knows is in the ledger, so that another planner can go on where this one ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from indexer.changes import Change, fingerprint
from indexer.content import batch_content, without_deleted
from indexer.errors import RunError
from indexer.held_run import HeldRun
from indexer.idleness import NOTICE_SECONDS, Idleness
from indexer.kept import Kept
from indexer.parts import parts_of
from indexer.plans import Plans
from indexer.run import Hint, PlannedBatch, Run
from indexer.runs import Runs, every_batch
from indexer.scene import EmbeddedScene, ReadScene
from indexer.summary import Tally
from indexer.update import check_failures
from scenestore.compaction import is_due
from scenestore.entry import SceneOutcome
from scenestore.errors import ConflictError, LostError, UnavailableError
from scenestore.generation import Generation
from scenestore.ports import Ledger
from sgpd.say import Say, silent

DEATHS = 2
"""Deaths after which a batch is halved, or its one scene given up."""
FAULTS = 5
"""Times that a batch may be given back for a fault around it before the run is stopped."""
PATIENCE = 10
"""A batch that waits while the queue is not empty is handed out again after so many stalls."""
_ALONE = "workers ended at it, alone in its batch"
_LONGEST_PAUSE = 30.0
_OUTAGE_PAUSE = 1.0
_COMPACTION_LOOK = 2.0
"""Seconds between two looks at whether segments have become many."""
_COMPACTION_PAUSE = 20.0
"""Seconds that a worker is given to take up a compaction before it is asked for again."""


class Queue(Protocol):
    """Messages to workers; may lose and repeat them. Raises UnavailableError when it is away."""

    def enqueue(self, hint: Hint) -> None:
        """Let some worker have a hint."""

    def length(self) -> int:
        """How many messages no worker has taken yet."""

    def compact(self, generation: str) -> None:
        """Ask for the compaction of a generation."""

    @property
    def work(self) -> str:
        """What people call the queue of hints, and where it is."""


@dataclass(frozen=True)
class PlannerSettings:
    """Sizes and times of a run."""

    scenes_per_batch: int = 1_000
    entries_per_batch: int = 20_000
    in_flight: int = 64
    """Batches that are handed out at once: more than there are workers, and bounded."""
    poll_seconds: float = 0.25
    """Between two looks at the batches in flight."""
    patience: float = 120.0
    """Seconds to go on while the ledger or the queue does not answer."""
    max_failures: float = 1.0
    """Share of the scenes that may fail before the run is stopped."""
    notice_seconds: float = NOTICE_SECONDS
    """After which it is said that no worker has a batch."""


@dataclass(frozen=True)
class Planning:
    """What a planner works with."""

    generation: Generation
    ledger: Ledger
    plans: Plans
    queue: Queue
    settings: PlannerSettings = field(default_factory=PlannerSettings)
    say: Say = silent
    """Gets remarks: that no worker has a batch, and why."""

    @property
    def runs(self) -> Runs:
        """The runs in the ledger."""
        return Runs(self.ledger)


@dataclass
class _Watched:
    """A batch in flight, as it was seen last."""

    kept: Kept[PlannedBatch]
    since: float
    """When it was seen to change, or handed out."""
    attempt: int = -1
    """The attempt that a message was sent for; -1 before the first."""
    due: float = 0.0
    """When it may be handed out again."""


class Planner:
    """One planner of an open run; only for who holds the lease of the collection."""

    def __init__(
        self,
        planning: Planning,
        run: Kept[Run],
        changes: Callable[[str | None], Iterable[Change]],
    ) -> None:
        """`changes` gives those after a scene, in order of scenes."""
        self._generation = planning.generation
        self._runs = planning.runs
        self._plans = planning.plans
        self._queue = planning.queue
        self._settings = planning.settings
        self._held = HeldRun(self._runs, run)
        self._changes = changes
        self._parts: Iterator[list[Change]] | None = None
        self._watched: dict[str, _Watched] = {}
        self._tally = Tally()
        """Of the batches that are finished; the run's document has it as of the last look."""
        self._compaction = 0.0
        """When compaction may be asked for again."""
        self._idleness = Idleness(planning.settings.notice_seconds, planning.say)

    @property
    def run(self) -> Run:
        """The run as this planner wrote it last."""
        return self._held.run

    def drive(self, report: Callable[[int], None], check: Callable[[], None]) -> Run:
        """Go on until every scene of the run is done; returns the run as it ended.

        `report` is told how many scenes are done in all, `check` raises LostError where another
        planner has taken over. Raises RunError and FailuresError when the run has to stop.
        """
        answered, is_taken_up = time.monotonic(), False
        while True:
            try:
                check()
                if not is_taken_up:
                    self._take_up()
                    is_taken_up = True
                self._plan_more()
                self._look()
                self._keep_progress()
                self._ask_for_compaction()
                answered = time.monotonic()
            except UnavailableError:
                if time.monotonic() - answered > self._settings.patience:
                    raise
                is_taken_up = False  # what was written, and what only tried, the ledger knows
                time.sleep(_OUTAGE_PAUSE)
                continue
            report(self._tally.scenes)
            check_failures(self._tally, self._settings.max_failures)
            if self.run.planned and not self._watched:
                return self.run
            time.sleep(self._settings.poll_seconds)

    def end(self, run: Run) -> None:
        """Write down how the run ended; LostError where another command changed it."""
        self._held.write(run)

    # --- planning

    def _take_up(self) -> None:
        """Read the run and every batch that was planned, and count what is finished."""
        self._held.read()
        self._parts, self._watched, self._tally = None, {}, Tally()
        for batch in every_batch(self._runs, self.run):
            if batch.value.state in {"done", "dead"}:
                self._tally.merge(batch.value.tally)
            elif batch.value.state != "split":
                again = replace(batch.value, faults=0)  # what was wrong may be put right
                if again != batch.value and again.state == "planned":
                    batch = Kept(again, self._runs.write(again, batch.version))
                self._watch(batch)

    def _plan_more(self) -> None:
        while not self.run.planned and len(self._watched) < self._settings.in_flight:
            if self._parts is None:
                self._parts = parts_of(
                    self._changes(self.run.cursor),
                    self.run.scenes,
                    self._settings.scenes_per_batch,
                    self._settings.entries_per_batch,
                )
            part = next(self._parts, None)
            if part is None:
                self._held.change(planned=True)
                return
            batch = PlannedBatch(self.run.id, str(self.run.batches), len(part))
            kept = self._write_plan(batch, part)
            self._held.change(batches=self.run.batches + 1, cursor=part[-1].scene)
            self._watch(kept)
            self._hand_out(self._watched[batch.id])

    def _write_plan(self, batch: PlannedBatch, part: Sequence[Change]) -> Kept[PlannedBatch]:
        self._plans.write(batch, part)
        return self._runs.put(batch)

    def _watch(self, kept: Kept[PlannedBatch]) -> None:
        self._watched[kept.value.id] = _Watched(kept, time.monotonic())

    def _hand_out(self, watched: _Watched) -> None:
        batch = watched.kept.value
        self._queue.enqueue(Hint(batch.run, batch.id, batch.attempt))
        watched.attempt, watched.since = batch.attempt, time.monotonic()

    # --- looking after what is in flight

    def _look(self) -> None:
        self._held.check()
        found = self._runs.batches(self.run.id, list(self._watched))
        self._notice(found)
        waiting: int | None = None
        for id, watched in list(self._watched.items()):
            kept = found.get(id)
            if kept is None:
                raise LostError(f"batch {watched.kept.value.name} is gone: the run was ended")
            if kept.version != watched.kept.version:
                watched.kept, watched.since = kept, time.monotonic()
            batch = kept.value
            if batch.state in {"done", "dead"}:
                self._finish(batch)
            elif batch.state == "split":
                self._follow_halves(batch)
            elif batch.state == "claimed":
                if self._still(watched) > self.run.stall_seconds:
                    self._declare_dead(watched)
            elif batch.deaths >= DEATHS:
                self._split(watched)
            elif batch.faults >= FAULTS:
                raise RunError(
                    f"run {self.run.id} was stopped: batch {batch.id} came back {batch.faults} "
                    f"times, the last time because {batch.reason}; what was indexed is kept, put "
                    "that right and run the same command again"
                )
            elif watched.attempt != batch.attempt:
                pause = min(2.0**batch.faults - 1, _LONGEST_PAUSE)
                if self._still(watched) >= pause:
                    self._hand_out(watched)
            elif self._still(watched) > self.run.stall_seconds:
                waiting = self._queue.length() if waiting is None else waiting
                if not waiting or self._still(watched) > PATIENCE * self.run.stall_seconds:
                    self._hand_out(watched)

    def _notice(self, found: Mapping[str, Kept[PlannedBatch]]) -> None:
        """Say where no worker has a batch, nor has had one since the last look."""
        seen = self._watched
        if found and all(
            (kept.value.state, kept.value.attempt) == ("planned", seen[id].kept.value.attempt)
            for id, kept in found.items()
        ):
            self._idleness.look(
                self._queue.length, self._queue.work, lambda: self._runs.refusal(self.run)
            )
        else:
            self._idleness.end()

    @staticmethod
    def _still(watched: _Watched) -> float:
        """Seconds for which nothing was seen to happen to a batch."""
        return time.monotonic() - watched.since

    def _finish(self, batch: PlannedBatch) -> None:
        self._tally.merge(batch.tally)
        self._plans.remove(batch)
        del self._watched[batch.id]

    def _declare_dead(self, watched: _Watched) -> None:
        batch = watched.kept.value
        reason = f"its worker {batch.worker} died, or stood still for {self.run.stall_seconds:g} s"
        self._change(
            watched, replace(batch, state="planned", deaths=batch.deaths + 1, reason=reason)
        )

    def _change(self, watched: _Watched, batch: PlannedBatch) -> bool:
        """Write a batch as it is from now on; False where somebody else changed it meanwhile."""
        try:
            watched.kept = Kept(batch, self._runs.write(batch, watched.kept.version))
        except ConflictError:
            return False
        return True

    def _split(self, watched: _Watched) -> None:
        """Put two halves in the place of a batch; give up a scene that is alone."""
        batch = watched.kept.value
        part = self._plans.read(batch, Path(self.run.source))
        if len(part) == 1:
            self._give_up(watched, part[0])
            return
        middle = len(part) // 2
        halves = [
            self._write_plan(PlannedBatch(batch.run, id, len(half)), half)
            for id, half in zip(batch.halves, (part[:middle], part[middle:]), strict=True)
        ]
        if self._change(watched, replace(batch, state="split")):
            self._follow_halves(batch, halves)

    def _follow_halves(
        self, batch: PlannedBatch, halves: Sequence[Kept[PlannedBatch]] | None = None
    ) -> None:
        for half in halves or self._runs.batches(batch.run, batch.halves).values():
            self._watch(half)
        self._plans.remove(batch)
        del self._watched[batch.id]

    def _give_up(self, watched: _Watched, change: Change) -> None:
        """Write down that a scene cannot be indexed, and why; take out what was written of it."""
        batch = watched.kept.value
        times = f"{batch.deaths} {_ALONE}"
        outcome = SceneOutcome(
            self.run.collection,
            change.scene,
            "failed",
            reason=f"{times}: {batch.reason}; look at the file, or remove it",
            fingerprint=fingerprint(None, change.text),
            stat=change.file.stat if change.file else "",
        )
        before = change.before
        restores = before is not None and before.status == "skipped"
        read = ReadScene(outcome, change.text, known=before is not None, restores=restores)
        generation = self._generation
        ordinal = generation.log.claim()
        kept, deleted = without_deleted(generation, [EmbeddedScene(read, outcome)])
        generation.publish(
            batch_content(generation, ordinal, batch.name, kept, deleted=deleted, again=True)
        )
        tally = Tally().add_all([*kept, *deleted])
        dead = replace(batch, state="dead", tally=tally, reason=outcome.reason)
        self._change(watched, dead)

    def _ask_for_compaction(self) -> None:
        """Have full tiers merged; ClosedError where another generation takes our one's place."""
        now = time.monotonic()
        if now >= self._compaction:
            head = self._generation.reader.head(fresh=True)
            head.check_open()
            due = is_due(head)
            if due:
                self._queue.compact(self.run.generation)
            self._compaction = now + (_COMPACTION_PAUSE if due else _COMPACTION_LOOK)

    def _keep_progress(self) -> None:
        if self._tally.scenes != self.run.tally.scenes:
            tally = Tally()
            tally.merge(self._tally)
            self._held.change(tally=tally)


def ended_workers(outcome: SceneOutcome) -> bool:
    """Whether a scene was given up because workers ended at it."""
    return outcome.status == "failed" and _ALONE in (outcome.reason or "")
