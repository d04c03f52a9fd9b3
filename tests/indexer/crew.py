"""Workers in threads and a queue in memory: what a run does, without Celery and Redis."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from indexer.chore import ChoreHint
from indexer.distribute import distribute
from indexer.pipeline import PipelineSettings
from indexer.planner import PlannerSettings, Planning
from indexer.plans import Plans
from indexer.run import Hint
from indexer.summary import Summary
from indexer.work import Ended, work
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.ports import Ledger
from sgpd.say import Say, silent
from tests.indexer.archive import SMALL, TestArchive, requested
from tests.indexer.colours import ColourEncoder

PLANNER = PlannerSettings(scenes_per_batch=4, in_flight=3, poll_seconds=0.02)
STALL = 0.5


class MemoryQueue:
    """Implements `indexer.planner.Queue` and `indexer.commission.ChoreQueue`."""

    work = "queue encode of this process"
    maintenance = "queue maintenance of this process"

    def __init__(self, copies: int = 1) -> None:
        """Each message comes `copies` times."""
        self.hints: queue.Queue[Hint] = queue.Queue()
        self.sent: list[Hint] = []
        self.compactions: list[str] = []
        self.chores: queue.Queue[ChoreHint] = queue.Queue()
        self._copies = copies

    def enqueue(self, hint: Hint) -> None:
        self.sent.append(hint)
        for _ in range(self._copies):
            self.hints.put(hint)

    def length(self) -> int:
        return self.hints.qsize()

    def compact(self, generation: str) -> None:
        self.compactions.append(generation)

    def ask(self, hint: ChoreHint) -> None:
        self.chores.put(hint)

    def asked(self) -> int:
        return self.chores.qsize()


@dataclass
class Place:
    """Implements `workers.station.Place`."""

    archive: TestArchive
    encoder: Any = field(default_factory=ColourEncoder)
    settings: PipelineSettings = SMALL

    @property
    def ledger(self) -> Ledger:
        return self.archive.ledger

    @property
    def plans(self) -> Plans:
        return plans(self.archive)

    def generation(self, name: str) -> Generation:
        return self.archive.generation

    def writing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None:
        self.archive.generation.documents.close()


def plans(archive: TestArchive) -> Plans:
    return Plans(LocalStore(archive.batches.parent.parent / "plans"))


@dataclass
class Crew:
    """An archive that several open, each for itself, as processes do."""

    open_archive: Callable[[], TestArchive]
    source: Path
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    ended: list[Ended] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Whoever opens SQLite's file as the last other closes it would find it locked.
        self._first = self.open_archive()

    def place(self, **changes: Any) -> Place:
        return replace(Place(self.open_archive()), **changes)

    @contextmanager
    def working(self, count: int = 2, **changes: Any) -> Iterator[None]:
        """Workers that take what is in the queue until the block is left."""
        over = threading.Event()

        def run() -> None:
            place = self.place(**changes)
            while not over.is_set():
                try:
                    hint = self.queue.hints.get(timeout=0.02)
                except queue.Empty:
                    continue
                try:
                    ended = work(place, hint)
                except BaseException as error:
                    self.faults.append(error)
                    return
                if ended is not None:
                    self.ended.append(ended)

        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def plan(
        self,
        planner: PlannerSettings = PLANNER,
        say: Say = silent,
        **options: Any,
    ) -> Summary:
        """Index the source as a planner."""
        archive = self.open_archive()
        archive.generation.create()
        asked, others = requested(self.source, options)
        planning = Planning(
            archive.generation, archive.ledger, plans(archive), self.queue, planner, say
        )
        given = {"opening": nullcontext, "stall_seconds": STALL, **others}
        return distribute(planning, asked, **given)
