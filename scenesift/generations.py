"""The generations of a home: which is live, which others there are, how one begins or is restored.

The names of the live one and of the one before it are a document of the ledger, so that all who
share an engine agree. A generation that is not whole, because it is being made or being dropped,
carries a mark beside its batches.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from indexer.calibration.replayed import Measurements
from indexer.progress import Progress
from indexer.rebuild import rebuild
from scenesift.engine import Engine
from scenesift.errors import HomeBusyError, HomeError
from scenesift.home import Home
from scenestore.batch import Batch
from scenestore.calibrations import Calibrations
from scenestore.compaction import collect_garbage, compact
from scenestore.errors import ClosedError, ConflictError, DamagedError, LostError
from scenestore.generation import Generation
from scenestore.lease import Lease
from scenestore.log import Log
from scenestore.ports import Record
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle

SETTLE_SECONDS = 120.0
"""How long a writer waits for the end of a switch that it met: far longer than one takes."""
_ATTEMPTS = 10
_LIVE = "live"
_MARK = ".building"


class Generations:
    """All generations of one home on one engine; `changing` says who may change them."""

    def __init__(self, home: Home, engine: Engine) -> None:
        self._home = home
        self._engine = engine
        self._ledger = engine.ledger

    def live(self) -> Generation | None:
        """The live generation; None while nothing was indexed.

        Raises HomeError where the batches are there but this engine does not serve them.
        """
        name = self.live_name()
        known = self._home.engine in (None, self._engine.name)
        if (name is None or not known) and self._holds_batches():
            name = self.live_name()  # the first one may just have begun
        if (name is None or not known) and self._holds_batches():
            raise HomeError(
                f"{self._home.store} has batches that the {self._engine.name} engine does not "
                f"serve; run `scenesift rebuild --home {self._home.path}` to bring them there"
            )
        return None if name is None else self.open(name)

    def live_name(self) -> str | None:
        """The name of the live generation, as of now."""
        record = self._ledger.read(_LIVE)
        return str(record.value["generation"]) if record else None

    def live_name_after(self, followed: Generation) -> str | None:
        """The same by the request that brings what a generation's searches follow up to date."""
        record = followed.follow(_LIVE).get(_LIVE)
        return str(record.value["generation"]) if record else None

    def previous_name(self) -> str | None:
        """The name of the generation that was live before, while it is kept."""
        record = self._ledger.read(_LIVE)
        return record.value.get("previous") if record else None

    def names(self) -> list[str]:
        """The names of all generations, whole or not, oldest first."""
        noted = [record.removeprefix(_record("")) for record in self._ledger.names(_record(""))]
        names = {*self._home.batches.parts(), *noted}
        return sorted((name for name in names if number(name)), key=number)

    def is_whole(self, name: str) -> bool:
        """Whether a generation is there and neither being made nor being dropped."""
        is_marked = self._home.batches.under(name).get(_MARK) is not None
        return not is_marked and self.log(name).exists()

    def log(self, name: str) -> Log:
        """The log of a generation, there or not."""
        return Log(self._ledger, name)

    def open(self, name: str) -> Generation:
        """A generation that has a log; StoreError where its index was made with another bundle."""
        generation = self.unchecked(name)
        generation.documents.check()
        return generation

    def unchecked(self, name: str) -> Generation:
        """A generation that has a log, whatever its index was made with."""
        return self.opened(name, self._home.bundle(self.log(name).head().bundle))

    def opened(self, name: str, bundle: Bundle) -> Generation:
        """A generation, there or not, with its bundle."""
        reader = SegmentReader(bundle, self.log(name), self._home.batches.under(name))
        calibrations = Calibrations(self._ledger, self._home.calibrations, name)
        return Generation(reader, self._engine.documents(name, reader), calibrations)

    def noted(self, name: str) -> Mapping[str, Any]:
        """What `describe` wrote down of a generation; empty where it did not."""
        record = self._ledger.read(_record(name))
        return record.value if record else {}

    def model(self, name: str) -> tuple[bool, str | None]:
        """Whether the generation says which model it was made with, and which (None: bundled)."""
        noted = self.noted(name)
        return "model" in noted, noted.get("model")

    @contextmanager
    def changing(self) -> Iterator[Record | None]:
        """Be the only one to make, switch or drop generations; HomeBusyError names who does.

        A log that a switch which died left closed is opened again first. Yields what
        to `move` with.
        """
        with self._home.changing(), self._leased():
            yield self.reopen()

    def reopen(self) -> Record | None:
        """Let writes into the live generation; returns what the ledger says of it from now on.

        A switch that closed its log and then stood still would leave these writes behind: `live`
        is written again first, as it is, so that no switch that began before can still move it.
        """
        for _ in range(_ATTEMPTS):
            known = self._ledger.read(_LIVE)
            if known is None:
                return None
            with suppress(ConflictError):
                return self._reopened(known)
        raise ConflictError(f"{_LIVE} could not be written: too many changes at once; run again")

    def _reopened(self, known: Record) -> Record:
        def fence() -> None:
            nonlocal known
            known = Record(known.value, self._ledger.write(_LIVE, known.value, known.version))

        self.log(known.value["generation"]).reopen(fence)
        return known

    @contextmanager
    def _leased(self) -> Iterator[None]:
        """On an engine that several machines share, hold the lease as well."""
        if self._engine.name == "embedded":
            yield
            return
        lease = Lease(self._ledger, "lease-generations")
        if not lease.wait():
            raise HomeBusyError(
                f"process {lease.holder()} is changing the generations of {self._home.store}; wait "
                "until it ends, searches and writes go on meanwhile"
            )
        with lease.held():
            yield

    def settle(self, refused: ClosedError, name: str) -> None:
        """Wait for the end of a switch that a write to a generation met, however it ends."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            if self.live_name() != name or self.log(name).head().closed_for is None:
                return
            with suppress(HomeBusyError), self.changing():
                return
            time.sleep(0.1)
        raise refused

    def begin(self, bundle: Bundle) -> Generation:
        """Make the first generation, and make it live.

        Raises HomeError where the engine serves an archive already, whose home is another.
        """
        if self.live_name() is not None:
            raise HomeError(
                f"the {self._engine.name} engine serves an archive whose batches are not in "
                f"{self._home.store}; use its home or store, or another SCENESIFT_OPENSEARCH_PREFIX"
            )
        self._home.keep_bundle(bundle)
        first = self.opened("g1", bundle)
        first.create()
        self.describe("g1", encoder=bundle.encoder)
        self.move(first, self._ledger.read(_LIVE))
        return first

    def describe(self, name: str, **facts: Any) -> None:
        """Write down facts of a generation, and when it was begun."""
        record = self._ledger.read(_record(name))
        made = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        value = {"made": made, **(record.value if record else {}), **facts}
        self._ledger.write(_record(name), value, record.version if record else None)

    def mark(self, name: str, is_whole: bool) -> None:
        """Say durably whether a generation is whole."""
        store = self._home.batches.under(name)
        if is_whole:
            store.remove(_MARK)
        else:
            store.put(_MARK, b"")

    def restore(self, progress: Progress | None) -> Generation:
        """Make log and documents of the live generation again from its batches.

        Where the engine knows nothing of it, it is the only one that stays.
        """
        if self._home.engine not in (None, self._engine.name):
            self._forget_logs()  # what this engine knows is older than the batches
        known = self._ledger.read(_LIVE)
        name = self.live_name() or self._last_live()
        if name is None:
            raise HomeError(
                f"{self._home.store} holds no batches to rebuild from; restore them from a backup, "
                f"or run `scenesift index SOURCE --home {self._home.path}`"
            )
        generation = self.opened(name, self._bundle_of(name))
        rebuild(generation, progress)
        if self._home.bundle_digest is None:  # batches that were copied into a new store
            self._home.remember(bundle=generation.bundle.digest)
        self.move(generation, known)
        if known is None:
            for other in self.names():
                if other != name:
                    self.discard(other)
        self._engine.remove_others()
        return generation

    def _last_live(self) -> str | None:
        """The generation that was live when the ledger was lost; else the newest whole one."""
        whole = self._whole()
        last = self._home.generation
        return last if last in whole else max(whole, key=number, default=None)

    def move(self, generation: Generation, known: Record | None) -> None:
        """Make a generation live; ConflictError unless the ledger still says what is `known`.

        The one that was live becomes the previous one.
        """
        name = generation.log.generation
        before = known.value if known else {}
        value = {"generation": name}
        last = before.get("generation")
        previous = before.get("previous") if last == name else last
        if previous:
            value["previous"] = previous
        if value != before:
            try:
                self._ledger.write(_LIVE, value, known.version if known else None)
            except ConflictError:
                now = self._ledger.read(_LIVE)
                # The answer to a write may be lost; its repetition then meets what it wrote.
                if known is None or now is None or now.value != value:
                    raise
        self._home.remember(engine=self._engine.name, generation=name)
        generation.documents.lead()

    def keep_hold(self, known: Record | None, keep_previous: bool = True) -> Record | None:
        """Write `live` anew, as it is or without the previous one, to be sure before a discard.

        LostError unless the ledger still says what is `known`: this process stood still, another
        changes generations, and what was to be removed may be in use.
        """
        if known is None:
            return None
        value = dict(known.value)
        if not keep_previous:
            value.pop("previous", None)
        try:
            return Record(value, self._ledger.write(_LIVE, value, known.version))
        except ConflictError as error:
            raise LostError(
                "another process has changed the generations, as this one stood still: nothing was "
                "removed; run the same command again"
            ) from error

    def tidy(self, live: Generation) -> None:
        """Merge small segments, and remove those that no search reads any more."""
        while compact(live):
            pass
        collect_garbage(live)

    def drop(self) -> None:
        """Remove all that the engine keeps of this home."""
        for name in self.names():
            self.discard(name)
        self._engine.drop_ledger()

    def discard(self, name: str) -> None:
        """Remove a generation: documents, log, batches. Killed on the way, it is not whole."""
        self.mark(name, is_whole=False)
        log = self.log(name)
        if log.exists():
            generation = self.unchecked(name)
            generation.documents.drop()
            generation.documents.close()
            log.drop()
        Calibrations(self._ledger, self._home.calibrations, name).drop()
        Measurements(self._ledger, name).drop()
        self._engine.remove(name)
        self._home.batches.under(name).clear()
        self._ledger.delete(_record(name))

    def _holds_batches(self) -> bool:
        """Whether any whole generation has a batch: one that was just begun has none."""
        batches = self._home.batches
        return any(
            folder[0].isdecimal()
            for name in self._whole()
            for folder in batches.under(name).parts()
        )

    def _whole(self) -> list[str]:
        """Names of the generations whose batches are here and that carry no mark."""
        batches = self._home.batches
        names = [name for name in batches.parts() if number(name)]
        return [name for name in names if batches.under(name).get(_MARK) is None]

    def _bundle_of(self, name: str) -> Bundle:
        """The bundle that a generation's log, or where there is none its batches, name."""
        log = self.log(name)
        if log.exists():
            return self._home.bundle(log.head().bundle)
        store = self._home.batches.under(name)
        for folder in store.names():
            if folder[0].isdecimal():
                return self._home.bundle(Batch.open(store.open(folder)).bundle)
        raise DamagedError(f"{store} holds no batch; restore it from a backup")

    def _forget_logs(self) -> None:
        for name in (_LIVE, *self._ledger.names("log-"), *self._ledger.names(_record(""))):
            self._ledger.delete(name)


def _record(name: str) -> str:
    """The ledger document of a generation."""
    return f"generation-{name}"


def number(name: str) -> int:
    """The number of a generation's name, 0 for a name that is none: `g7` has 7."""
    digits = name.removeprefix("g")
    return int(digits) if name.startswith("g") and digits.isdecimal() else 0
