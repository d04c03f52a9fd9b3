"""Work: a worker's side of a run. It takes a batch that a message hints at, and writes it.

A batch is ours from the claim, written before the first byte is read, until its document says
otherwise. What is written in between is checked against that document step by step; the ordinals
decide whatever slips through.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indexer.errors import UnfitError
from indexer.patience import patiently
from indexer.pipeline import Pipeline, PipelineSettings
from indexer.plans import Plans
from indexer.run import Hint, Kept, PlannedBatch, Run, Runs
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
    """Make the attempt that a hint is for; None where it is out of date.

    `stop` tells that the worker is to end soon: the batch is given back between two steps of the
    model. Raises UnfitError, before anything is claimed, where the batch is not for a worker like
    this one, RunError for a run of another version, UnavailableError when the engine stays away.
    """
    patience = place.settings.patience
    claimed = patiently(lambda: _claimed(place, hint), patience)
    if claimed is None:
        return None
    run, claim = claimed
    try:
        with claim.beating(run.stall_seconds):
            changes = place.plans.read(claim.batch, Path(run.source))
            pipeline = Pipeline(
                place.generation(run.generation), place.encoder, run.collection, place.settings
            )

            def proceed(_: int) -> None:
                if stop():
                    raise _DrainedError
                claim.check_beat()

            scenes = pipeline.work(changes, claim.batch.name, proceed, claim.check)
            tally = Tally().add_all(scenes)
        claim.change(state="done", tally=tally, reason=None, patience=patience)
        return Ended(claim.batch, f"done: {tally.scenes} scenes, {tally.counts['failed']} failed")
    except LostError as error:
        return Ended(claim.batch, str(error))
    except _DrainedError:
        return claim.give_back("given back, as the worker was told to end", patience)
    except ClosedError as error:
        return claim.give_back(str(error), patience)
    except RefusedError as error:
        return claim.give_back(str(error), patience, deaths=1)
    except SceneSiftError as error:
        return claim.give_back(str(error), patience, faults=1)
    except Exception as error:
        # A decoder's or the model's fault with some scene: halving finds which.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return claim.give_back(reason, patience, deaths=1)


def _claimed(place: Workplace, hint: Hint) -> tuple[Run, _Claim] | None:
    """The claim on a batch, if the hint is not out of date."""
    runs = Runs(place.ledger)
    run = runs.read(hint.run)
    if run is None or run.value.state != "open":
        return None
    batch = runs.batches(hint.run, [hint.batch]).get(hint.batch)
    if batch is None or (batch.value.state, batch.value.attempt) != ("planned", hint.attempt):
        return None
    try:
        _check_fit(place, run.value)
    except ClosedError:
        return None  # another generation went live, for which there will be another run
    taken = replace(
        batch.value, state="claimed", attempt=hint.attempt + 1, beat=0, worker=this_process()
    )
    try:
        return run.value, _Claim(runs, Kept(taken, runs.write(taken, batch.version)))
    except ConflictError:
        return None


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
