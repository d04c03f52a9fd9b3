"""Workers and planners with a fault of their own: `process worker|planner`, its site on stdin."""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from indexer.distribute import distribute
from indexer.pipeline import Pipeline
from indexer.planner import Planning
from indexer.plans import Plans
from indexer.replay import Replay
from indexer.run import Hint
from indexer.update import UpdateRequest
from scenestore.cache import Cache
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.object_connection import connect as connect_store
from scenestore.opensearch import bulk
from scenestore.opensearch.connection import Options, connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.reader import SegmentReader
from scenestore.store import Store
from sgpd.errors import SceneSiftError
from tests.indexer.archive import SMALL, TestArchive, fitted
from tests.indexer.crew import Place
from tests.indexer.dying_writer import AMID, STEPS, die
from tests.workers.process import PLANNER, Site, SlowEncoder
from workers.app import QUEUES, create_app
from workers.broker import check_broker
from workers.queue import CeleryQueue
from workers.service import Service

CLAIMED = "once it has the batch"
DEATHS = (CLAIMED, *STEPS, AMID)
"""Where a worker's process can be told to die of a batch."""
AUDITING = "amid an audit"


@dataclass(frozen=True)
class FaultySite(Site):
    """A site whose servers and processes misbehave."""

    store: str = ""
    """URL of the shard store; the home when empty."""
    endpoint: str = ""
    """Where that is really served."""
    dies: tuple[str, ...] = ()
    """Each of these kills the first process that gets there, and no other."""
    copies: int = 1
    """How often each message is sent."""
    largest_file: int = 0
    """Bytes, as on a disk that is full; 0 for no bound."""
    clock_seconds: float = 0.0
    """What the wall clock is ahead."""
    visibility_seconds: float = 0.0
    """After which Redis would hand out again what nobody acknowledged."""

    def shards(self) -> Store:
        """The shard store, as a new process opens it."""
        home = Path(self.home)
        if not self.store:
            return LocalStore(home)
        cache = Cache(home / f"cache-{os.getpid()}", 1 << 30)
        return connect_store(self.store, cache, self.endpoint, "us-east-1")

    def plans(self) -> Plans:
        """The plan files of its runs."""
        return Plans(self.shards().under("plans"))

    def archive(self) -> TestArchive:
        """The archive, as a new process opens it."""
        client = connect(Options(tuple(self.opensearch.split(","))))
        ledger = OpenSearchLedger(client, self.prefix)
        store = self.shards().under("batches").under("g1")
        reader = SegmentReader(fitted(), Log(ledger, "g1"), store)
        documents = OpenSearchDocuments(client, self.prefix, "g1", reader)
        return TestArchive(Generation(reader, documents), ledger, Path(self.source))

    def queue(self) -> CeleryQueue:
        """The planner's side of Redis."""
        return Repeating(create_app(self.redis, self.prefix), self.redis, self.copies)


class Repeating(CeleryQueue):
    """Sends every message several times."""

    def __init__(self, app: Any, url: str, copies: int) -> None:
        super().__init__(app, url)
        self._copies = copies

    def enqueue(self, hint: Hint) -> None:
        for _ in range(self._copies):
            super().enqueue(hint)


@dataclass
class FaultyPlace(Place):
    """A place on such a site."""

    site: FaultySite | None = None

    @property
    def plans(self) -> Plans:
        assert self.site is not None
        return self.site.plans()


def _let_it_die(site: FaultySite) -> None:
    """Wrap the calls at which a process of this site dies."""
    owners: dict[str, tuple[Any, str, str]] = {
        CLAIMED: (Pipeline, "encode", "before"),
        **STEPS,
        "after the documents": (OpenSearchDocuments, "write", "after"),
        AMID: (OpenSearch, "bulk", "before"),
        AUDITING: (Replay, "add", "before"),
    }
    for step in site.dies:
        owner, name, side = owners[step]
        nth = 1
        if step == AMID:  # a request a document: die at the third
            bulk.CHUNK_BYTES, nth = 1, 3
        setattr(owner, name, _deadly(getattr(owner, name), nth, side, mark(site, step)))


def mark(site: FaultySite, step: str) -> Path:
    """The file that is there once a process died at a step."""
    return Path(site.home).parent / f"died {step}"


def _deadly(call: Callable[..., Any], nth: int, side: str, mark: Path) -> Callable[..., Any]:
    """The call, which the first process that makes it for the nth time does not survive."""
    calls = 0

    def die_first() -> None:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return
        die()

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and side == "before":
            die_first()
        result = call(*args, **options)
        if calls == nth and side == "after":
            die_first()
        return result

    return wrapped


def worker(site: FaultySite) -> None:
    app = create_app(site.redis, site.prefix)
    if site.visibility_seconds:
        app.conf.broker_transport_options["visibility_timeout"] = site.visibility_seconds
    check_broker(site.redis)
    assert fitted().digest  # which writes files; the children have it from here
    _let_it_die(site)

    def open_place() -> FaultyPlace:
        if site.largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (site.largest_file,) * 2)
        settings = replace(SMALL, patience=30.0)
        return FaultyPlace(site.archive(), SlowEncoder(site), settings, site)

    Service(
        app,
        lambda: CeleryQueue(app, site.redis),
        open_place,
        processes=site.processes,
        queues=QUEUES,
        drain_seconds=site.drain_seconds,
    ).run()


def planner(site: FaultySite) -> None:
    check_broker(site.redis)
    archive = site.archive()
    archive.generation.create()
    summary = distribute(
        Planning(archive.generation, archive.ledger, site.plans(), site.queue(), PLANNER),
        UpdateRequest(Path(site.source)),
        opening=nullcontext,
        stall_seconds=site.stall_seconds,
    )
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")


def _set_clock(seconds: float) -> None:
    """Let the wall clock of this process be so far ahead; the monotonic one goes as ever."""
    now = time.time
    time.time = lambda: now() + seconds


if __name__ == "__main__":
    given = json.load(sys.stdin)
    here = FaultySite(**{**given, "dies": tuple(given["dies"])})
    _set_clock(here.clock_seconds)
    # Nobody reads our output before the end: what fills the pipe would stop us.
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
    for chatty in ("opensearch", "celery"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    try:
        {"worker": worker, "planner": planner}[sys.argv[1]](here)
    except SceneSiftError as error:
        sys.exit(str(error))
