"""Chores: maintenance that a worker does, and for whose report somebody waits.

`chores-WHAT`  the newest chore of its sort, and the one before
`chore-ID`     one chore; those two of each sort are kept, with their reports

All are changed by compare-and-set alone. A chore goes from planned to claimed and to done or
failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from indexer.errors import ChoreError
from indexer.kept import Kept
from scenestore.errors import ConflictError
from scenestore.ports import Ledger

FORMAT = 1

What = Literal["calibrate", "audit"]


@dataclass(frozen=True)
class Chore:
    """One chore, of which several attempts may be made, one after the other."""

    id: str
    what: What
    generation: str
    options: Mapping[str, Any]
    """What it was asked for with, as JSON."""
    stall_seconds: float
    """A beat that stands still for so long counts as the worker's death."""
    state: Literal["planned", "claimed", "done", "failed"] = "planned"
    attempt: int = 0
    """Of the last claim; a message that names another is out of date."""
    beat: int = 0
    """Raised by the worker that has it."""
    worker: str | None = None
    """Host and process that claimed it last."""
    said: tuple[str, ...] = ()
    """Remarks of the attempt, a line each."""
    done: int = 0
    """Of `total`, how far the attempt is."""
    total: int = 0
    report: Mapping[str, Any] = field(default_factory=dict)
    """What was found, once done."""
    reason: str | None = None
    """Why the last attempt came to nothing."""

    @property
    def name(self) -> str:
        """The ledger document."""
        return f"chore-{self.id}"

    @property
    def is_over(self) -> bool:
        """Whether nobody will work on it any more."""
        return self.state in ("done", "failed")

    def is_like(self, other: Chore) -> bool:
        """Whether both ask for the same."""
        return (self.generation, dict(self.options)) == (other.generation, dict(other.options))

    def claimed(self, worker: str) -> Chore:
        """The chore as it is with the next attempt begun."""
        return replace(
            self,
            state="claimed",
            attempt=self.attempt + 1,
            beat=0,
            worker=worker,
            said=(),
            done=0,
            total=0,
        )

    def to_json(self) -> dict[str, Any]:
        """What the ledger stores."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Chore:
        """The chore that `to_json` wrote; ChoreError when it is of another version."""
        if value.get("format") != FORMAT:
            raise ChoreError(
                f"chore {value.get('id')} has format {value.get('format')}, this version works "
                f"with {FORMAT}; use the same version of SceneSift everywhere"
            )
        fields = {name: value[name] for name in cls.__dataclass_fields__}
        return cls(**{**fields, "said": tuple(value["said"])})


@dataclass(frozen=True, slots=True)
class ChoreHint:
    """What a message says: this attempt of this chore may be made. Nothing is lost with it."""

    id: str
    attempt: int
    """The chore's when the message was sent."""

    @classmethod
    def of(cls, chore: Chore) -> ChoreHint:
        """The hint for the next attempt."""
        return cls(chore.id, chore.attempt)

    def to_json(self) -> dict[str, Any]:
        """The message."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, value: Any) -> ChoreHint:
        """The hint of a message; ChoreError when it is none, or of another version."""
        if not isinstance(value, Mapping) or value.get("format") != FORMAT:
            raise ChoreError(
                "a message that is no chore of this version was dropped; use the same version of "
                "SceneSift everywhere, and keep other programs off the queue"
            )
        return cls(str(value["id"]), int(value["attempt"]))


class Chores:
    """The chores in a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def read(self, id: str) -> Kept[Chore] | None:
        """A chore as of now."""
        record = self._ledger.read(f"chore-{id}")
        return Kept(Chore.from_json(record.value), record.version) if record else None

    def under_way(self, what: What) -> Kept[Chore] | None:
        """The chore of a sort that is not over, as of now."""
        newest = self._ledger.read(f"chores-{what}")
        found = self.read(newest.value["newest"]) if newest else None
        return None if found is None or found.value.is_over else found

    def begin(self, chore: Chore) -> Kept[Chore]:
        """Write down a new chore, where none of its sort is under way; else ConflictError."""
        name = f"chores-{chore.what}"
        record = self._ledger.read(name)
        before = record.value["newest"] if record else None
        if self.under_way(chore.what) is not None:
            raise ConflictError(f"{chore.what} {before} is under way")
        kept = self._put(chore)
        value = {"newest": chore.id, "before": before}
        try:
            self._ledger.write(name, value, record.version if record else None)
        except ConflictError:
            self._ledger.delete(chore.name)
            raise
        if record is not None and record.value["before"]:
            self._ledger.delete(f"chore-{record.value['before']}")
        return kept

    def _put(self, chore: Chore) -> Kept[Chore]:
        try:
            return self.write(chore, None)
        except ConflictError:
            found = self.read(chore.id)
            if found is None or found.value != chore:  # else only the answer was lost
                raise
            return found

    def write(self, chore: Chore, version: Any) -> Kept[Chore]:
        """Replace what still has the version; ConflictError when it has not."""
        return Kept(chore, self._ledger.write(chore.name, chore.to_json(), version))
