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

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from indexer.errors import RunError
from indexer.summary import Tally
from scenestore.entry import Status
from scenestore.errors import ConflictError, LostError
from scenestore.ports import Ledger

FORMAT = 1
_OPEN = "runs"
_ATTEMPTS = 100
"""Bound on compare-and-set retries; each lost race means that another writer got on."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Kept(Generic[Value]):
    """What the ledger holds, and the version to hand back when changing it."""

    value: Value
    version: Any


@dataclass(frozen=True)
class Run:
    """One run; `state` tells whether workers may still take its batches."""

    id: str
    collection: str
    source: str
    generation: str
    bundle: str
    """Digest of the bundle of all its batches."""
    stall_seconds: float
    """A batch whose beat stands still for so long counts as its worker's death."""
    retry: tuple[Status, ...] = ()
    only: tuple[str, ...] | None = None
    """Scenes that the run keeps to; None for all of the folder."""
    state: Literal["open", "stopped", "done"] = "open"
    reason: str | None = None
    """Why it was stopped."""
    batches: int = 0
    """Batches planned so far, halves not counted."""
    cursor: str | None = None
    """The last scene that was planned: scenes are planned in their order."""
    planned: bool = False
    """Whether all is planned."""
    scenes: int = 0
    """Scenes to be planned in all."""
    survey: Mapping[str, int] = field(default_factory=dict)
    """Scenes that need nothing (unchanged, settled), and files that are no images (others)."""
    notes: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    """What became of the scenes of finished batches."""

    @property
    def name(self) -> str:
        """The ledger document."""
        return f"run-{self.id}"

    def to_json(self) -> dict[str, Any]:
        """What the ledger stores."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {
            "format": FORMAT,
            **plain,
            "survey": dict(self.survey),
            "tally": self.tally.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Run:
        """The run that `to_json` wrote; RunError when it is of another version."""
        _check_format(f"run {value.get('id')}", value)
        fields = {name: value[name] for name in cls.__dataclass_fields__}
        fields |= {name: tuple(value[name]) for name in ("retry", "notes")}
        fields["only"] = None if value["only"] is None else tuple(value["only"])
        fields["tally"] = Tally.from_json(value["tally"])
        return cls(**fields)


@dataclass(frozen=True)
class PlannedBatch:
    """One planned batch, of which any number of attempts may be made."""

    run: str
    id: str
    scenes: int
    state: Literal["planned", "claimed", "done", "split", "dead"] = "planned"
    attempt: int = 0
    """Of the last claim; a message that names another is out of date."""
    beat: int = 0
    """Raised by the worker that has it."""
    deaths: int = 0
    """Attempts whose worker died, or failed as no program should."""
    faults: int = 0
    """Attempts that were given back as something around them failed: the disk, the model."""
    worker: str | None = None
    """Host and process that claimed it last."""
    claim: str = ""
    """Random, of the last claim: tells it from another of the same process."""
    reason: str | None = None
    """Why the last attempt came to nothing."""
    tally: Tally = field(default_factory=Tally)
    """What became of its scenes, once done or dead."""

    @property
    def name(self) -> str:
        """The ledger document, and the name of its batch in the log."""
        return f"run-{self.run}-{self.id}"

    @property
    def is_again(self) -> bool:
        """Whether an attempt before, at it or at what it is a half of, may have written."""
        return self.attempt > 1 or not self.id.isdecimal()

    @property
    def halves(self) -> tuple[str, str]:
        """The ids of the batches that it is split into."""
        return f"{self.id}.0", f"{self.id}.1"

    def to_json(self) -> dict[str, Any]:
        """What the ledger stores."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {"format": FORMAT, **plain, "tally": self.tally.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlannedBatch:
        """The batch that `to_json` wrote; RunError when it is of another version."""
        _check_format(f"batch {value.get('id')} of run {value.get('run')}", value)
        fields = {name: value[name] for name in cls.__dataclass_fields__}
        return cls(**{**fields, "tally": Tally.from_json(value["tally"])})


@dataclass(frozen=True, slots=True)
class Hint:
    """What a message says: this attempt of this batch may be made. Nothing is lost with it."""

    run: str
    batch: str
    attempt: int
    """The batch's when the message was sent."""

    def to_json(self) -> dict[str, Any]:
        """The message."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, value: Any) -> Hint:
        """The hint of a message; RunError when it is none, or of another version."""
        if not isinstance(value, Mapping):
            raise RunError(
                "a message that is no hint of a batch was dropped; keep other programs "
                "off the queue"
            )
        _check_format("a message", value)
        return cls(str(value["run"]), str(value["batch"]), int(value["attempt"]))


class Runs:
    """The runs in a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def open(self) -> dict[str, str]:
        """Ids of the open runs by collection."""
        record = self._ledger.read(_OPEN)
        if record is None:
            return {}
        _check_format("the list of runs", record.value)
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


def _check_format(what: str, value: Mapping[str, Any]) -> None:
    if value.get("format") != FORMAT:
        raise RunError(
            f"{what} has format {value.get('format')}, this version works with {FORMAT}; use the "
            "same version of SceneSift for planner and workers"
        )
