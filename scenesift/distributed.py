"""An archive with workers: the planner's side, and what a worker's processes work with."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Collection as SomeOf
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.collection import DEFAULT
from indexer.distribute import distribute
from indexer.ending import cancel
from indexer.pipeline import PipelineSettings
from indexer.planner import PlannerSettings, Planning
from indexer.plans import Plans
from indexer.progress import Progress
from indexer.run import Run
from indexer.source import Source
from indexer.summary import Summary
from indexer.update import UpdateRequest
from scenesift.archive import Archive
from scenesift.errors import SettingsError
from scenesift.settings import Settings
from scenestore.entry import Status
from scenestore.errors import ClosedError
from scenestore.generation import Generation
from scenestore.ports import Ledger
from sgpd.errors import SceneSiftError
from sgpd.say import Say, silent
from workers.app import create_app
from workers.broker import check_broker
from workers.errors import WorkerError
from workers.queue import CeleryQueue
from workers.service import Service

if TYPE_CHECKING:
    from sgpd.encoders import Encoder


PATIENCE = 120.0
"""Seconds that a worker or a planner goes on trying while OpenSearch or Redis is away."""
_OPENING = 300.0
"""Seconds that the archive is given to be opened before a worker starts."""
_ENDING = 10.0
"""Seconds that the process which opened it is given to end."""


def index_with_workers(
    archive: Archive,
    source: Path,
    *,
    captions: Path | None = None,
    collection: str = DEFAULT,
    moved: bool = False,
    retry: SomeOf[Status] = (),
    only: SomeOf[str] | None = None,
    max_failures: float = 1.0,
    progress: Progress | None = None,
    say: Say = silent,
) -> Summary:
    """Bring a collection in step with a folder, as `Archive.index` does, with workers.

    `say` is told what keeps it waiting.
    """
    Source(source)
    with open_queue(archive.settings) as queue:
        if not archive.begun:
            with archive.writing():
                archive.begin()
        request = UpdateRequest(
            source,
            collection,
            captions or archive.captions_file(source, collection),
            moved,
            tuple(retry),
            None if only is None else tuple(only),
        )
        return archive.written(
            lambda: distribute(
                Planning(
                    archive.generation,
                    archive.engine.ledger,
                    _plans(archive),
                    queue,
                    PlannerSettings(patience=PATIENCE, max_failures=max_failures),
                    say,
                ),
                request,
                opening=archive.writing,
                stall_seconds=archive.settings.stall_seconds,
                progress=progress,
            )
        )


@contextmanager
def open_queue(settings: Settings) -> Iterator[CeleryQueue]:
    """Messages to the workers of an archive; BrokerError where Redis is not as it has to be."""
    url = _broker(settings)
    check_broker(url)
    queue = CeleryQueue(create_app(url, settings.opensearch_prefix), url)
    try:
        yield queue
    finally:
        queue.close()


def cancel_run(archive: Archive, collection: str = DEFAULT) -> Run:
    """End the open run of a collection where it stands; what is done is kept."""
    _check_engine(archive.settings)
    return cancel(archive.generation, archive.engine.ledger, _plans(archive), collection)


def run_worker(
    settings: Settings, *, processes: int, queues: Sequence[str], drain_seconds: float
) -> None:
    """Work until told to end; SceneSiftError where this machine cannot."""
    url = _broker(settings)
    check_broker(url)
    _check_live(settings)
    app = create_app(url, settings.opensearch_prefix)
    Service(
        app,
        lambda: CeleryQueue(app, url),
        lambda: ArchivePlace(settings, processes),
        processes=processes,
        queues=queues,
        drain_seconds=drain_seconds,
    ).run()


class ArchivePlace:
    """What one child of a worker works with: implements `workers.station.Place`."""

    def __init__(self, settings: Settings, processes: int) -> None:
        """`processes` share the machine."""
        self._archive = Archive.of(settings)
        self._processes = processes
        if self._archive.generations.live_name() is not None:
            self._archive.generation.bundle.check_encoder(self.encoder.identity)

    @property
    def ledger(self) -> Ledger:
        """Where the runs are."""
        return self._archive.engine.ledger

    @property
    def plans(self) -> Plans:
        """Where the plan files are."""
        return _plans(self._archive)

    @property
    def encoder(self) -> Encoder:
        """The model."""
        return self._archive.encoder

    @property
    def settings(self) -> PipelineSettings:
        """Sizes of the pipeline's steps; decoding threads take what cores there are."""
        threads = max(1, min(8, (os.cpu_count() or 1) // self._processes))
        return replace(self._archive.pipeline_settings, threads=threads, patience=PATIENCE)

    def generation(self, name: str) -> Generation:
        """The generation of that name; ClosedError where it is not the live one."""
        live = self._archive.generation
        if live.log.generation != name:  # another may have gone live since it was opened
            live = self._archive.pins.follow().generation
        if live.log.generation != name:
            raise ClosedError(f"generation {name} is live no more, {live.log.generation} is")
        return live

    def writing(self) -> AbstractContextManager[None]:
        """Hold what one writer has at a time; HomeBusyError names who has it."""
        return self._archive.writing()

    def close(self) -> None:
        """Give back files and connections."""
        self._archive.close()


def _check_live(settings: Settings) -> None:
    """Find faults of store, engine and bundle before any worker's child is started.

    In a process of its own: what the client of a bucket begins does not survive a fork.
    """
    context = multiprocessing.get_context("fork")
    answer, ours = context.Pipe(duplex=False)
    process = context.Process(target=_say_fault, args=(settings, ours))
    process.start()
    ours.close()
    try:
        if not answer.poll(_OPENING):
            raise WorkerError(
                f"the archive was not opened within {_OPENING:g} s; see whether the store and "
                "OpenSearch answer, then start the worker again"
            )
        fault: SceneSiftError | None = answer.recv()
        process.join(_ENDING)
    except EOFError:
        raise WorkerError("the archive cannot be opened; see the lines above") from None
    finally:
        process.kill()
        process.join(_ENDING)
        answer.close()
    if fault is not None:
        raise fault


def _say_fault(settings: Settings, answer: Connection) -> None:
    try:
        with Archive.of(settings) as archive:
            if archive.generations.live_name() is not None:  # else the first run may just begin
                _ = archive.generation
    except SceneSiftError as error:
        answer.send(error)
    else:
        answer.send(None)


def _plans(archive: Archive) -> Plans:
    return Plans(archive.home.store.under("plans"))


def _broker(settings: Settings) -> str:
    _check_engine(settings)
    if settings.redis_url is None:
        raise SettingsError(
            "workers get their messages through Redis; set SCENESIFT_REDIS_URL or --redis-url, "
            "such as redis://localhost:6379/0"
        )
    return settings.redis_url


def _check_engine(settings: Settings) -> None:
    if settings.opensearch_url is None:
        raise SettingsError(
            "the embedded engine has one writer at a time, so workers need OpenSearch; set "
            "SCENESIFT_OPENSEARCH_URL or --opensearch-url"
        )
