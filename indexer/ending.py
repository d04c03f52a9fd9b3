"""Ending a run: where it stands, when it is cancelled, or as it is done."""

from __future__ import annotations

import time

from indexer.errors import RunError
from indexer.planner import DEATHS
from indexer.plans import Plans
from indexer.run import PlannedBatch, Run
from indexer.runs import Runs, every_batch
from scenestore.generation import Generation
from scenestore.lease import Lease
from scenestore.ports import Ledger

_POLL_SECONDS = 0.2


def cancel(generation: Generation, ledger: Ledger, plans: Plans, collection: str) -> Run:
    """End the open run of a collection where it stands; what is done is kept.

    Waits until workers and planner have let go of it. Raises RunError where there is none.
    """
    runs = Runs(ledger)
    id = runs.open().get(collection)
    run = runs.stop(id, "it was cancelled") if id else None
    if run is None:
        raise RunError(f"collection {collection} has no open run; there is nothing to cancel")
    lease = planner_lease(ledger, collection)
    deadline = time.monotonic() + 3 * lease.seconds
    while not lease.take():
        if time.monotonic() > deadline:
            raise RunError(f"run {run.id} is being ended by {lease.holder()}; wait for that")
        time.sleep(_POLL_SECONDS)
    with lease.held():
        close(generation, runs, plans, run)
    return run


def planner_lease(ledger: Ledger, collection: str) -> Lease:
    """Held by the one planner of a collection."""
    return Lease(ledger, f"lease-planner-{collection}")


def close(generation: Generation, runs: Runs, plans: Plans, run: Run) -> None:
    """Remove what only a run that has ended needed; safe to repeat."""
    _wait_for_workers(runs, run)
    for kept in every_batch(runs, run):
        batch = kept.value
        gone = [batch]
        if batch.deaths >= DEATHS and batch.state != "split":  # a planner may have begun to
            gone += [PlannedBatch(run.id, half, 0) for half in batch.halves]
        for one in gone:
            plans.remove(one)
        runs.remove(gone)
    begun = PlannedBatch(run.id, str(run.batches), 0)  # by a planner that lost the run meanwhile
    plans.remove(begun)
    runs.remove([begun])
    generation.documents.refresh()
    runs.close(run)


def _wait_for_workers(runs: Runs, run: Run) -> None:
    """Wait until no worker has a batch of a stopped run: a live one lets go at its next beat."""
    deadline = time.monotonic() + run.stall_seconds
    while time.monotonic() < deadline:
        if not any(kept.value.state == "claimed" for kept in every_batch(runs, run)):
            return
        time.sleep(run.stall_seconds / 20)
