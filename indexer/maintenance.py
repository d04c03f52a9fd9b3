"""Maintenance: work on a whole generation that one process does at a time, by a lease each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from indexer.audit import audit
from indexer.calibration.renew import renew
from indexer.captions import NO_CAPTIONS, read_captions
from indexer.chore import Chore, ChoreHint, Chores, What
from indexer.kept import Kept
from indexer.patience import patiently
from indexer.runs import check_no_run
from scenestore.compaction import collect_garbage, compact
from scenestore.errors import ConflictError, LostError, UnavailableError
from scenestore.generation import Generation
from scenestore.lease import RAISES, SECONDS, Lease, raising, this_process
from scenestore.ports import Ledger
from sgpd.errors import SceneSiftError

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

LEASE, CHORES_LEASE = "lease-maintenance", "lease-chores"
"""Of who compacts, and of who does a chore: that may take hours, in which compaction goes on."""
_BEAT_SECONDS = 1.0
"""Between two beats of a chore at most: they carry how far it is."""
_PATIENCE = 120.0
"""Seconds to go on trying to write down how a chore ended."""


class MaintenancePlace(Protocol):
    """What chores are done with."""

    @property
    def ledger(self) -> Ledger:
        """Where the chores are."""

    @property
    def encoder(self) -> Encoder:
        """The model."""

    def generation(self, name: str) -> Generation:
        """The generation of that name; SceneSiftError where this machine has not got it."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold what one writer has at a time; SceneSiftError names who has it."""


def compact_alone(generation: Generation, lease_seconds: float = SECONDS) -> int:
    """Merge full tiers until there is none, unless another process maintains; how many there were.

    Where the last one died at it, that is found out by watching its lease so long. One that stood
    still and lost the lease writes nothing more into the log. What was replaced is collected unless
    a chore is being done, which may still read it.
    """
    lease = Lease(generation.log.ledger, LEASE, lease_seconds)
    if not lease.wait():
        return 0
    merged = 0
    with lease.held():
        while compact(generation, lease.check):
            merged += 1
        chores = Lease(generation.log.ledger, CHORES_LEASE, lease_seconds)
        if chores.wait():
            with chores.held():
                lease.check()
                collect_garbage(generation)
    return merged


def do_chore(
    place: MaintenancePlace,
    hint: ChoreHint,
    stop: Callable[[], bool] = lambda: False,
    lease_seconds: float = SECONDS,
) -> str | None:
    """Make the attempt that a hint is for; how it ended, for the worker's log.

    None where it is out of date, or another process does a chore: then it is asked for again.
    `stop` tells that the worker is to end soon: the chore is given back at its next step.
    """
    chores = Chores(place.ledger)
    if not _is_for(chores.read(hint.id), hint):
        return None
    lease = Lease(place.ledger, CHORES_LEASE, lease_seconds)
    if not lease.wait():
        return None
    with lease.held():
        attempt = _begun(chores, hint, stop)
        return attempt.carry_out(place, lease) if attempt else None


def _is_for(kept: Kept[Chore] | None, hint: ChoreHint) -> bool:
    return kept is not None and (kept.value.state, kept.value.attempt) == ("planned", hint.attempt)


def _begun(chores: Chores, hint: ChoreHint, stop: Callable[[], bool]) -> _Attempt | None:
    """The attempt, if the hint is not out of date."""
    kept = chores.read(hint.id)
    if kept is None or not _is_for(kept, hint):
        return None
    claimed = kept.value.claimed(this_process())
    try:
        return _Attempt(chores, chores.write(claimed, kept.version), stop)
    except ConflictError:
        kept = chores.read(hint.id)  # ours, where only the answer was lost
        return _Attempt(chores, kept, stop) if kept and kept.value == claimed else None


class _DrainedError(Exception):
    """The worker is to end; the chore goes back."""


class _Attempt:
    """A chore that is ours until its document says otherwise."""

    def __init__(self, chores: Chores, kept: Kept[Chore], stop: Callable[[], bool]) -> None:
        self._chores = chores
        self._kept = kept
        self._stop = stop
        self._news: dict[str, Any] = {}
        """What the next beat says."""
        self._writing = threading.Lock()
        self._lost = False

    def carry_out(self, place: MaintenancePlace, lease: Lease) -> str:
        """Do it, and write down what came of it."""
        chore = self._kept.value

        @contextmanager
        def writing() -> Iterator[None]:
            with place.writing():
                lease.check()
                self.check()
                yield

        try:
            with raising(self.check, min(chore.stall_seconds / RAISES, _BEAT_SECONDS)):
                generation = place.generation(chore.generation)
                found = _DOING[chore.what](self, place, generation, chore.options, writing)
        except LostError as error:
            return f"{chore.what}: {error}"
        except _DrainedError:
            return self._end(state="planned", reason="given back, as the worker was told to end")
        except UnavailableError as error:
            return self._end(state="planned", reason=str(error))
        except SceneSiftError as error:
            return self._end(state="failed", reason=str(error))
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return self._end(state="failed", reason=reason)
        return self._end(state="done", report=found, reason=None)

    def say(self, line: str) -> None:
        """Let who waits know of a step."""
        self._news["said"] = (*self._news.get("said", ()), line)
        self._proceed()

    def progress(self, done: int, total: int, rate: float) -> None:
        """Let who waits know how far it is."""
        self._news |= {"done": done, "total": total}
        self._proceed()

    def _proceed(self) -> None:
        if self._stop():
            raise _DrainedError
        self._check_beat()

    def _check_beat(self) -> None:
        if self._lost:
            chore = self._kept.value
            raise LostError(f"chore {chore.id} went to another attempt: nothing is written")

    def check(self) -> None:
        """Raise the beat; LostError unless the chore is still ours."""
        self._write(beat=self._kept.value.beat + 1)
        self._check_beat()

    def _end(self, **changes: Any) -> str:
        chore = self._kept.value
        try:
            patiently(lambda: self._write(**changes), _PATIENCE)
            self._check_beat()
        except LostError as error:
            return f"{chore.what}: {error}"
        except UnavailableError as away:  # its beat stands still, and that is seen
            return f"{chore.what}: {away}"
        return f"{chore.what}: {self._kept.value.reason or 'done'}"

    def _write(self, **changes: Any) -> None:
        with self._writing:
            if self._lost:
                return
            chore = replace(self._kept.value, **self._news, **changes)
            try:
                self._kept = self._chores.write(chore, self._kept.version)
            except ConflictError:
                found = self._chores.read(chore.id)
                if found is None or found.value != chore:  # else only the answer was lost
                    self._lost = True
                else:
                    self._kept = found


_Writing = Callable[[], AbstractContextManager[None]]


def _calibrate(
    attempt: _Attempt,
    place: MaintenancePlace,
    generation: Generation,
    options: Mapping[str, Any],
    writing: _Writing,
) -> dict[str, Any]:
    queries = options["queries"]
    made = renew(
        generation,
        lambda: place.encoder,
        queries=Path(queries) if queries else None,
        targets=options["targets"],
        count=options["count"],
        say=attempt.say,
        writing=writing,
    )
    return {"made": made.made}


def _audit(
    attempt: _Attempt,
    place: MaintenancePlace,
    generation: Generation,
    options: Mapping[str, Any],
    writing: _Writing,
) -> dict[str, Any]:
    sources = {}
    if options["source"]:
        captions = options["captions"]
        texts = read_captions(Path(captions)) if captions else NO_CAPTIONS
        sources[options["collection"]] = Path(options["source"]), texts
    repair = options["repair"]
    with writing() if repair else nullcontext():
        if repair:
            check_no_run(place.ledger, "a repair")
        return audit(generation, sources, repair=repair, progress=attempt.progress).to_json()


_DOING: dict[What, Callable[..., dict[str, Any]]] = {"calibrate": _calibrate, "audit": _audit}
