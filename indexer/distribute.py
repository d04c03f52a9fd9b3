"""Distribute: index a folder with workers; plan the run, or follow the planner that there is."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from indexer.ending import close, planner_lease
from indexer.errors import CollectionError, FailuresError, RunError
from indexer.kept import Kept
from indexer.patience import patiently
from indexer.planner import Planner, Planning
from indexer.progress import Meter, Progress
from indexer.resume import resume
from indexer.run import Run
from indexer.summary import Summary
from indexer.update import Update, UpdateRequest, summary
from scenestore.errors import LostError

STALL_SECONDS = 60.0
"""A worker raises its beat five times as often; a busy machine may take a while to."""

Opening = Callable[[], AbstractContextManager[None]]
"""Keeps other writers out while a run is begun."""


def distribute(
    planning: Planning,
    request: UpdateRequest,
    *,
    opening: Opening,
    stall_seconds: float = STALL_SECONDS,
    progress: Progress | None = None,
) -> Summary:
    """Bring a collection in step with a folder, as `index` does, with workers.

    A run that the collection has open is gone on with, whoever began it; while another planner
    lives, this one follows it, and takes over when that one dies. Stopped, it leaves the run open
    and workers at what they have. Raises SceneSiftError.
    """
    return _Distribution(planning, request, opening, stall_seconds, progress).carry_out()


class _Distribution:
    """One command's part in a distributed update."""

    def __init__(
        self,
        planning: Planning,
        request: UpdateRequest,
        opening: Opening,
        stall_seconds: float,
        progress: Progress | None,
    ) -> None:
        self._planning = planning
        self._generation = planning.generation
        self._runs = planning.runs
        self._request = request
        self._collection = request.collection
        self._opening = opening
        self._stall_seconds = stall_seconds
        self._progress = progress
        self._lease = planner_lease(planning.ledger, request.collection)
        self._started = time.perf_counter()
        self._meter: Meter | None = None
        self._followed: str | None = None

    def carry_out(self) -> Summary:
        """Plan, or follow whoever does, until the run has ended."""
        settings = self._planning.settings
        while True:
            if patiently(self._lease.take, settings.patience):
                with self._lease.held():
                    ended = self._plan()
            else:
                time.sleep(settings.poll_seconds)
                ended = patiently(self._look_on, settings.patience)
            if ended is not None:
                return _summary(ended, time.perf_counter() - self._started)

    def _open_run(self) -> Kept[Run] | None:
        source = self._request.source
        id = self._runs.open().get(self._collection)
        found = self._runs.read(id) if id else None
        if found is not None and Path(found.value.source) != source.resolve():
            raise CollectionError(
                f"collection {self._collection} has the open run {id} of {found.value.source}, not "
                f"of {source}; go on with that one, or end it with --cancel"
            )
        return found

    def _look_on(self) -> Run | None:
        """How far another's run is; the run, once it has ended."""
        found = self._open_run()
        if found is not None:
            self._followed = found.value.id
            self._report(found.value, found.value.tally.scenes)
        return self._ended()

    def _ended(self) -> Run | None:
        """The run that was followed, if it has ended; RunError where it was stopped."""
        found = self._runs.read(self._followed) if self._followed else None
        if found is None or found.value.state == "open":
            return None
        if found.value.state == "stopped":
            raise RunError(f"run {found.value.id} was stopped: {found.value.reason}")
        return found.value

    def _plan(self) -> Run | None:
        """Plan the open run, or a new one, to its end; None where it was taken from us."""
        run = self._open_run()
        if run is not None and run.value.generation != self._generation.log.generation:
            run = self._stop(run, "another generation went live")
        if run is not None and run.value.state != "open":
            close(self._generation, self._runs, self._planning.plans, run.value)
            run = None
        ended = self._ended()
        if ended is not None:
            return ended
        update = self._update(run.value if run else None)
        try:
            run = run or self._begin(update)
        except LostError:  # a planner that took the lease meanwhile began one
            return None
        self._followed = run.value.id
        self._report(run.value, run.value.tally.scenes)
        planner = Planner(self._planning, run, update.work)
        try:
            planner.drive(lambda done: self._report(planner.run, done), self._lease.check)
        except FailuresError as error:
            self._end(planner, replace(planner.run, state="stopped", reason=str(error)))
            raise
        except LostError:
            return None
        return self._end(planner, replace(planner.run, state="done"))

    def _update(self, run: Run | None) -> Update:
        """What is to be done, of an open run as it was begun."""
        asked = self._request
        if run is not None:  # its own captions are remembered
            asked = replace(asked, captions=None, moved=True, retry=run.retry, only=run.only)
        return Update(self._generation, self._planning.ledger, asked)

    def _begin(self, update: Update) -> Kept[Run]:
        """Write down a new run; LostError where the collection has one by now."""
        with self._opening():
            # Before what is in the documents is taken as done; a worker finishes its own batches.
            resume(self._generation, self._runs.open().values())
            survey = update.survey
            run = Run(
                id=secrets.token_hex(6),
                collection=update.collection.name,
                source=str(update.collection.source),
                generation=self._generation.log.generation,
                bundle=self._generation.bundle.digest,
                stall_seconds=self._stall_seconds,
                retry=self._request.retry,
                only=self._request.only,
                scenes=survey.work,
                survey={
                    "unchanged": survey.counts["unchanged"],
                    "settled": survey.counts["settled"],
                    "others": update.folder.others,
                },
                notes=tuple(update.notes()),
            )
            update.collection.remember(self._planning.ledger)
            return self._runs.begin(run)

    def _stop(self, run: Kept[Run], reason: str) -> Kept[Run]:
        stopped = replace(run.value, state="stopped", reason=reason)
        return Kept(stopped, self._runs.write(stopped, run.version))

    def _end(self, planner: Planner, run: Run) -> Run:
        planner.end(run)
        close(self._generation, self._runs, self._planning.plans, run)
        return run

    def _report(self, run: Run, done: int) -> None:
        if self._meter is None:
            self._meter = Meter(run.scenes, self._progress)
        self._meter.add(done - self._meter.done)


def _summary(run: Run, seconds: float) -> Summary:
    worked = run.tally.scenes
    return summary(
        run.tally,
        collection=run.collection,
        source=run.source,
        unchanged=run.survey["unchanged"],
        settled=run.survey["settled"],
        others=run.survey["others"],
        notes=run.notes,
        seconds=seconds,
        rate=worked / max(seconds, 1e-9),
    )
