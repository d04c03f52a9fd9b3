"""A run, its planned batches and the hints of them: what the ledger and messages hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from indexer.errors import RunError
from indexer.summary import Tally
from scenestore.entry import Status

FORMAT = 1


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
        check_format(f"run {value.get('id')}", value)
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
        check_format(f"batch {value.get('id')} of run {value.get('run')}", value)
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
        check_format("a message", value)
        return cls(str(value["run"]), str(value["batch"]), int(value["attempt"]))


def check_format(what: str, value: Mapping[str, Any]) -> None:
    """RunError where something was written by another version."""
    if value.get("format") != FORMAT:
        raise RunError(
            f"{what} has format {value.get('format')}, this version works with {FORMAT}; use the "
            "same version of SceneSift for planner and workers"
        )
