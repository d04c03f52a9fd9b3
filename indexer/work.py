"""Work: a worker's side of a run. It takes a batch that a message hints at, and writes it.

A batch is ours from the claim, written before the first byte is read, until its document says
otherwise. What is written in between is checked against that document step by step; the ordinals
decide whatever slips through.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indexer.errors import UnfitError
from indexer.kept import Kept
from indexer.patience import patiently
from indexer.pipeline import Pipeline, PipelineSettings
from indexer.plans import Plans
from indexer.run import Hint, PlannedBatch, Run
from indexer.runs import Runs
from indexer.scene import EmbeddedScene
from indexer.summary import Tally
from scenestore.errors import ClosedError, ConflictError, LostError, RefusedError, UnavailableError
from scenestore.generation import Generation
from scenestore.lease import RAISES, raising, this_process
from scenestore.ports import Ledger
from sgpd.errors import SceneSiftError

if TYPE_CHECKING:
    from sgpd.encoders import Encoder


class Workplace(Protocol):
    """What a worker works with."""

    @property
    def ledger(self) -> Ledger:
        """Where the runs are."""

    @property
    def plans(self) -> Plans:
        """Where the plan files are."""

    @property
    def encoder(self) -> Encoder:
        """The model."""

    @property
    def settings(self) -> PipelineSettings:
        """Sizes of the pipeline's steps, and how long to wait for an engine that is away."""

    def generation(self, name: str) -> Generation:
        """The generation of that name; SceneSiftError where this machine has not got it."""


@dataclass(frozen=True)
class Ended:
    """How an attempt at a batch ended."""

    batch: PlannedBatch
    what: str
    """In a line, for the worker's log."""


class _DrainedError(Exception):
    """The worker is to end; the batch goes back."""


def work(place: Workplace, hint: Hint, stop: Callable[[], bool] = lambda: False) -> Ended | None:
    """Make the one attempt that a hint is for; None where it is out of date. See `Worker.take`."""
    ended: list[Ended] = []
    worker = Worker(place, ended.append, stop)
    try:
        worker.take(hint)
    finally:
        worker.close()
    return ended[0] if ended else None


class Worker:
    """Makes attempts one after the other; a batch is written while the next one is encoded."""

    def __init__(
        self,
        place: Workplace,
        report: Callable[[Ended], None],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`report` is told of each attempt's end, from whatever thread.

        `stop` tells that the worker is to end soon: the batch that is being encoded is given back
        between two steps of the model.
        """
        self._place = place
        self._report = report
        self._stop = stop
        self._writer = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def take(self, hint: Hint) -> None:
        """Make the attempt that a hint is for, if it is not out of date.

        Raises UnfitError, before anything is claimed, where the batch is not for a worker like
        this one, RunError for a run of another version, UnavailableError when the engine stays
        away. What may have killed a worker is done alone: were it to kill this one, another batch
        that is just being written would be blamed as well.
        """
        token = secrets.token_hex(8)
        claimed = patiently(
            lambda: _claimed(self._place, hint, token), self._place.settings.patience
        )
        if claimed is None:
            return
        run, claim = claimed
        alone = claim.batch.deaths > 0 or not claim.batch.id.isdecimal()
        beating = ExitStack()
        beating.enter_context(claim.beating(run.stall_seconds))
        try:
            if alone:
                self._wait()
            pipeline = Pipeline(
                self._place.generation(run.generation),
                self._place.encoder,
                run.collection,
                self._place.settings,
            )
            changes = self._place.plans.read(claim.batch, Path(run.source))
            scenes = pipeline.encode(changes, lambda _: self._proceed(claim))
            self._wait()
        except Exception as error:
            beating.close()
            self._report(self._came_to_nothing(claim, error))
        except BaseException:
            beating.close()
            raise
        else:
            self._writing = self._writer.submit(self._write, pipeline, claim, beating, scenes)
            if alone:
                self._wait()

    def close(self) -> None:
        """Wait until the last batch is written."""
        self._wait()
        self._writer.shutdown()

    def _wait(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _proceed(self, claim: _Claim) -> None:
        if self._stop():
            raise _DrainedError
        claim.check_beat()

    def _write(
        self,
        pipeline: Pipeline,
        claim: _Claim,
        beating: ExitStack,
        scenes: Sequence[EmbeddedScene],
    ) -> None:
        patience = self._place.settings.patience
        try:
            with beating:
                batch = claim.batch
                written = pipeline.write(batch.name, scenes, claim.check, again=batch.is_again)
            tally = Tally().add_all(written)
            claim.change(state="done", tally=tally, reason=None, patience=patience)
            failed = tally.counts["failed"]
            ended = Ended(claim.batch, f"done: {tally.scenes} scenes, {failed} failed")
        except Exception as error:
            ended = self._came_to_nothing(claim, error)
        self._report(ended)

    def _came_to_nothing(self, claim: _Claim, error: Exception) -> Ended:
        """What becomes of a batch after an error; another attempt is let be made, if it is ours."""
        patience = self._place.settings.patience
        try:
            match error:
                case LostError():
                    return Ended(claim.batch, str(error))
                case _DrainedError():
                    return claim.give_back("given back, as the worker was told to end", patience)
                case ClosedError():
                    return claim.give_back(str(error), patience)
                case RefusedError():
                    return claim.give_back(str(error), patience, deaths=1)
                case SceneSiftError():
                    return claim.give_back(str(error), patience, faults=1)
                case _:
                    # A decoder's or the model's fault with some scene: halving finds which.
                    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                    return claim.give_back(reason, patience, deaths=1)
        except UnavailableError as away:  # its beat stands still, and that is seen
            return Ended(claim.batch, f"{error}; then {away}")


def _claimed(place: Workplace, hint: Hint, token: str) -> tuple[Run, _Claim] | None:
    """The claim on a batch, if the hint is not out of date.

    Its write may happen and the answer be lost: by the token we know it again.
    """
    runs = Runs(place.ledger)
    run = runs.read(hint.run)
    if run is None or run.value.state != "open":
        return None
    batch = runs.batches(hint.run, [hint.batch]).get(hint.batch)
    if batch is not None and (batch.value.state, batch.value.claim) == ("claimed", token):
        return run.value, _Claim(runs, batch)
    if batch is None or (batch.value.state, batch.value.attempt) != ("planned", hint.attempt):
        return None
    try:
        _check_fit(place, run.value)
    except ClosedError:
        return None  # another generation went live, for which there will be another run
    taken = replace(
        batch.value,
        state="claimed",
        attempt=hint.attempt + 1,
        beat=0,
        worker=this_process(),
        claim=token,
    )
    try:
        kept: Kept[PlannedBatch] | None = Kept(taken, runs.write(taken, batch.version))
    except ConflictError:
        kept = runs.batches(hint.run, [hint.batch]).get(hint.batch)
    return (run.value, _Claim(runs, kept)) if kept and kept.value == taken else None


def _check_fit(place: Workplace, run: Run) -> None:
    """Raise UnfitError unless this worker can do the run's batches."""
    try:
        bundle = place.generation(run.generation).bundle
        bundle.check_encoder(place.encoder.identity)
    except (ClosedError, UnavailableError):
        raise
    except SceneSiftError as error:
        raise UnfitError(f"run {run.id}: {error}") from error
    if bundle.digest != run.bundle:
        raise UnfitError(
            f"run {run.id} is for bundle {run.bundle}, this worker has {bundle.digest}; start it "
            "with the same home or store as the planner"
        )
    if not Path(run.source).is_dir():
        raise UnfitError(
            f"run {run.id}: {run.source} is not on this machine; mount the folder at the same path"
        )


class _Claim:
    """A batch that is ours until its document says otherwise."""

    def __init__(self, runs: Runs, kept: Kept[PlannedBatch]) -> None:
        self._runs = runs
        self._kept = kept
        self._writing = threading.Lock()
        self._lost = False

    @property
    def batch(self) -> PlannedBatch:
        """As it was written last."""
        return self._kept.value

    @contextmanager
    def beating(self, stall_seconds: float) -> Iterator[None]:
        """Raise the beat from a thread, often enough not to be taken for dead."""
        with raising(self.check, stall_seconds / RAISES):
            yield

    def check_beat(self) -> None:
        """Raise LostError if the last beat found that the batch is no longer ours; asks nobody."""
        if self._lost:
            raise LostError(f"batch {self.batch.name} went to another attempt: nothing is written")

    def check(self) -> None:
        """Raise the beat; LostError unless the batch is still ours and its run goes on."""
        self.check_beat()
        run = self._runs.read(self.batch.run)
        if run is None or run.value.state != "open":
            self._lost = True
        self._write(beat=self.batch.beat + 1)
        self.check_beat()

    def change(self, *, patience: float, **changes: Any) -> None:
        """Change the document; LostError when the batch is no longer ours."""
        patiently(lambda: self._write(**changes), patience)
        self.check_beat()

    def give_back(self, reason: str, patience: float, deaths: int = 0, faults: int = 0) -> Ended:
        """Let another attempt be made."""
        batch = self.batch
        try:
            self.change(
                state="planned",
                reason=reason,
                deaths=batch.deaths + deaths,
                faults=batch.faults + faults,
                patience=patience,
            )
        except LostError:
            return Ended(batch, f"{reason}; another attempt was begun meanwhile")
        return Ended(self.batch, reason)

    def _write(self, **changes: Any) -> None:
        with self._writing:
            batch = replace(self.batch, **changes)
            while not self._lost:
                try:
                    self._kept = Kept(batch, self._runs.write(batch, self._kept.version))
                    return
                except ConflictError:
                    # A write may happen and its answer be lost: then the document is still ours.
                    found = self._runs.batches(batch.run, [batch.id]).get(batch.id)
                    ours = ("claimed", self.batch.attempt, self.batch.worker)
                    if found is not None and found.value == batch:
                        self._kept = found
                        return
                    if found is None or ours != (
                        found.value.state,
                        found.value.attempt,
                        found.value.worker,
                    ):
                        self._lost = True
                    else:
                        self._kept = Kept(self.batch, found.version)
