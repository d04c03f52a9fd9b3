"""The generations of a home: which is live, how one begins, is restored, and follows another.

The name of the live one is a document of the ledger, so that all who share an engine agree. A
generation that is being built beside it carries a mark, until it is whole.
"""

from __future__ import annotations

from indexer.calibration.replayed import Measurements
from indexer.progress import Progress
from indexer.rebuild import rebuild
from indexer.recode import Recoding
from indexer.succession import Succession
from scenesift.engine import Engine
from scenesift.errors import HomeError
from scenesift.home import Home
from scenestore.batch import Batch
from scenestore.calibrations import Calibrations
from scenestore.compaction import collect_garbage, compact
from scenestore.errors import DamagedError
from scenestore.generation import Generation
from scenestore.log import Log
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle

_LIVE = "live"
_MARK = ".building"


class Generations:
    """All generations of one home on one engine; only who holds the writer's lock changes them."""

    def __init__(self, home: Home, engine: Engine) -> None:
        self._home = home
        self._engine = engine
        self._ledger = engine.ledger

    def live(self) -> Generation | None:
        """The live generation; None while nothing was indexed.

        Raises HomeError where the batches are there but this engine does not serve them.
        """
        name = self._live_name()
        known = self._home.engine in (None, self._engine.name)
        if self._whole() and (name is None or not known):
            raise HomeError(
                f"{self._home.store} has batches that the {self._engine.name} engine does not "
                f"serve; run `scenesift rebuild --home {self._home.path}` to bring them there"
            )
        if name is None:
            return None
        return self._open(name, self._home.bundle(Log(self._ledger, name).head().bundle))

    def begin(self, bundle: Bundle) -> Generation:
        """Make the first generation, and make it live.

        Raises HomeError where the engine serves an archive already, whose home is another.
        """
        if self._live_name() is not None:
            raise HomeError(
                f"the {self._engine.name} engine serves an archive whose batches are not in "
                f"{self._home.store}; use its home or store, or another SCENESIFT_OPENSEARCH_PREFIX"
            )
        self._home.keep_bundle(bundle)
        first = self._open("g1", bundle)
        first.create()
        self._switch(first)
        return first

    def restore(self, progress: Progress | None) -> Generation:
        """Make log and documents of the live generation again from its batches."""
        if self._home.engine not in (None, self._engine.name):
            self._forget_logs()  # what this engine knows is older than the batches
        name = self._live_name() or max(self._whole(), key=_number, default=None)
        if name is None:
            raise HomeError(
                f"{self._home.store} holds no batches to rebuild from; restore them from a backup, "
                f"or run `scenesift index SOURCE --home {self._home.path}`"
            )
        generation = self._open(name, self._bundle_of(name))
        rebuild(generation, progress)
        if self._home.bundle_digest is None:  # batches that were copied into a new store
            self._home.remember(bundle=generation.bundle.digest)
        self._switch(generation)
        self._engine.remove_others()
        return generation

    def follow(self, old: Generation, bundle: Bundle, progress: Progress | None) -> Generation:
        """Code the live generation anew with another bundle, and make the result live.

        Stopped and run again, it goes on where it was, unless the old generation or the bundle is
        no longer the same.
        """
        name = f"g{_number(old.log.generation) + 1}"
        log = Log(self._ledger, name)
        if not log.exists() or log.head().bundle != bundle.digest or _written_since(old.log, log):
            self._discard(name)
        new = self._open(name, bundle)
        new.store.put(_MARK, b"")
        with Succession(old, new, Recoding(old, new)) as succession:
            succession.carry(progress)
            succession.check()
        new.store.remove(_MARK)
        self._switch(new)
        old.documents.close()
        return new

    def tidy(self, live: Generation) -> None:
        """Merge small segments, and remove what no search reads any more."""
        while compact(live):
            pass
        collect_garbage(live)
        for name in self._whole():
            if name != live.log.generation:
                self._discard(name)

    def drop(self) -> None:
        """Remove all that the engine keeps of this home."""
        for name in self._names():
            self._discard(name)
        self._engine.drop_ledger()

    def _whole(self) -> list[str]:
        """Names of the generations whose batches are here and that are not being built."""
        batches = self._home.batches
        return [name for name in self._names() if batches.under(name).get(_MARK) is None]

    def _names(self) -> list[str]:
        return sorted((name for name in self._home.batches.parts() if _number(name)), key=_number)

    def _live_name(self) -> str | None:
        record = self._ledger.read(_LIVE)
        return str(record.value["generation"]) if record else None

    def _switch(self, generation: Generation) -> None:
        """Make a generation live."""
        self._home.remember(engine=self._engine.name)
        generation.documents.lead()
        record = self._ledger.read(_LIVE)
        value = {"generation": generation.log.generation}
        if record is None or record.value != value:
            self._ledger.write(_LIVE, value, record.version if record else None)

    def _open(self, name: str, bundle: Bundle) -> Generation:
        reader = SegmentReader(bundle, Log(self._ledger, name), self._home.batches.under(name))
        calibrations = Calibrations(self._ledger, self._home.calibrations, name)
        return Generation(reader, self._engine.documents(name, reader), calibrations)

    def _bundle_of(self, name: str) -> Bundle:
        """The bundle that a generation's log, or where there is none its batches, name."""
        log = Log(self._ledger, name)
        if log.exists():
            return self._home.bundle(log.head().bundle)
        store = self._home.batches.under(name)
        for folder in store.names():
            if folder[0].isdecimal():
                return self._home.bundle(Batch.open(store.open(folder)).bundle)
        raise DamagedError(f"{store} holds no batch; restore it from a backup")

    def _forget_logs(self) -> None:
        for name in (_LIVE, *self._ledger.names("log-")):
            self._ledger.delete(name)

    def _discard(self, name: str) -> None:
        """Remove a generation: documents, log, batches."""
        log = Log(self._ledger, name)
        if log.exists():
            generation = self._open(name, self._home.bundle(log.head().bundle))
            generation.documents.drop()
            generation.documents.close()
            log.drop()
        Calibrations(self._ledger, self._home.calibrations, name).drop()
        Measurements(self._ledger, name).drop()
        self._engine.remove(name)
        self._home.batches.under(name).clear()


def _written_since(old: Log, new: Log) -> bool:
    """Whether the old generation was written to after the new one was begun."""
    begun = min((batch.ordinal for batch in new.batches()), default=None)
    return begun is not None and any(batch.ordinal > begun for batch in old.batches())


def _number(name: str) -> int:
    """The number of a generation's name, 0 for a name that is none: `g7` has 7."""
    digits = name.removeprefix("g")
    return int(digits) if name.startswith("g") and digits.isdecimal() else 0
