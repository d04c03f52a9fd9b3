"""Runs: distributed updates of a collection, as the ledger knows them.

`runs`          which collections have an open run
`last-run-NAME` the last run of a collection that was closed; its document is kept, no older one's
`run-ID`        one run: what it was begun with, how far it is planned, and what is done
`run-ID-N`      one planned batch; its halves, where it was split, are `N.0` and `N.1`
`refusal-ID`    what a worker said last that could not do a batch of the run

All but the last are changed by compare-and-set alone. A batch document goes from planned to claimed
and to done, split or dead; whoever changed it last has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from indexer.errors import RunError
from indexer.kept import Kept
from indexer.run import FORMAT, PlannedBatch, Run, check_format
from scenestore.errors import ConflictError, LostError
from scenestore.ports import Ledger

_OPEN = "runs"
_ATTEMPTS = 100
"""Bound on compare-and-set retries; each lost race means that another writer got on."""


class Runs:
    """The runs in a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def open(self) -> dict[str, str]:
        """Ids of the open runs by collection."""
        record = self._ledger.read(_OPEN)
        if record is None:
            return {}
        check_format("the list of runs", record.value)
        return dict(record.value["open"])

    def begin(self, run: Run) -> Kept[Run]:
        """Write down a new run, and that the collection has it open.

        LostError where it has another open already: that one is to be followed.
        """

        def opened(known: Mapping[str, str]) -> dict[str, str]:
            other = known.get(run.collection, run.id)
            if other != run.id and self.read(other) is not None:
                raise LostError(f"collection {run.collection} has the open run {other} by now")
            return {**known, run.collection: run.id}

        kept = Kept(run, self._ledger.write(run.name, run.to_json(), None))
        try:
            self._change_open(opened)
        except LostError:
            self.remove([run])
            raise
        return kept

    def close(self, run: Run) -> None:
        """The collection has no open run any more; the document of its run before is removed."""
        self._change_open(lambda known: {c: id for c, id in known.items() if id != run.id})
        self._ledger.delete(f"refusal-{run.id}")
        name = f"last-run-{run.collection}"
        record = self._ledger.read(name)
        if record is not None and record.value["run"] != run.id:
            self._ledger.delete(f"run-{record.value['run']}")
        value = {"format": FORMAT, "run": run.id}
        if record is None or record.value != value:
            self._ledger.write(name, value, record.version if record else None)

    def read(self, id: str) -> Kept[Run] | None:
        """A run as of now."""
        record = self._ledger.read(f"run-{id}")
        return Kept(Run.from_json(record.value), record.version) if record else None

    def batches(self, run: str, ids: Sequence[str]) -> dict[str, Kept[PlannedBatch]]:
        """Those of the batches that there are, by id, as of now."""
        records = self._ledger.read_many([f"run-{run}-{id}" for id in ids])
        found = (Kept(PlannedBatch.from_json(r.value), r.version) for r in records.values())
        return {kept.value.id: kept for kept in found}

    def write(self, value: Run | PlannedBatch, version: Any) -> Any:
        """Replace a document that still has the version; ConflictError when it has not."""
        return self._ledger.write(value.name, value.to_json(), version)

    def stop(self, id: str, reason: str) -> Run | None:
        """Stop an open run, whose planner may be changing it; the run as it is then, if there."""
        for _ in range(_ATTEMPTS):
            found = self.read(id)
            if found is None or found.value.state != "open":
                return found.value if found else None
            stopped = replace(found.value, state="stopped", reason=reason)
            try:
                self.write(stopped, found.version)
            except ConflictError:
                continue
            return stopped
        raise ConflictError(f"run {id} could not be stopped: it changes all the time; run again")

    def refuse(self, id: str, reason: str) -> None:
        """Leave word of a worker that cannot do a run's batches, for who waits for them."""
        record = self._ledger.read(f"refusal-{id}")
        with suppress(ConflictError):  # another one says so
            value = {"reason": reason}
            self._ledger.write(f"refusal-{id}", value, record.version if record else None)

    def refusal(self, run: Run) -> str | None:
        """What a worker said last that could not do the run's batches; None where none did."""
        record = self._ledger.read(f"refusal-{run.id}")
        return str(record.value["reason"]) if record else None

    def put(self, batch: PlannedBatch) -> Kept[PlannedBatch]:
        """Write a batch that nobody was told of yet, over what a planner that died left of it.

        LostError where that planner lives, or another, and went on: the batch may be taken by now.
        """
        record = self._ledger.read(batch.name)
        found = PlannedBatch.from_json(record.value) if record else batch
        try:
            if (found.state, found.attempt) == ("planned", 0):
                return Kept(batch, self.write(batch, record.version if record else None))
        except ConflictError:
            pass
        raise LostError(f"batch {batch.name} was planned by another command")

    def remove(self, values: Iterable[Run | PlannedBatch]) -> None:
        """Forget runs or batches."""
        for value in values:
            self._ledger.delete(value.name)

    def _change_open(self, change: Any) -> None:
        for _ in range(_ATTEMPTS):
            record = self._ledger.read(_OPEN)
            before = dict(record.value["open"]) if record else {}
            after = change(before)
            if after == before:
                return
            value = {"format": FORMAT, "open": after}
            try:
                self._ledger.write(_OPEN, value, record.version if record else None)
            except ConflictError:
                continue
            return
        raise ConflictError("the list of runs could not be changed: too many at once; run again")


def run_of(plan: str) -> str | None:
    """The run that a batch of that plan belongs to; None where it is of none."""
    parts = plan.split("-")
    return parts[1] if parts[0] == "run" and len(parts) > 2 else None


def check_no_run(ledger: Ledger, what: str) -> None:
    """Raise RunError while workers may write; `what` cannot be done beside them."""
    for collection, id in Runs(ledger).open().items():
        raise RunError(
            f"{what} cannot be done while run {id} indexes collection {collection} with workers; "
            "wait for its end, or end it with `scenesift index SOURCE --distributed --cancel "
            f"--collection {collection}`"
        )


def every_batch(runs: Runs, run: Run) -> Iterator[Kept[PlannedBatch]]:
    """Every batch that was planned, and the halves of those that were split."""
    ids = [str(number) for number in range(run.batches)]
    while ids:
        found = runs.batches(run.id, ids)
        yield from found.values()
        ids = [
            half
            for kept in found.values()
            if kept.value.state == "split"
            for half in kept.value.halves
        ]
