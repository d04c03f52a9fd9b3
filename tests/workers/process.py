"""A worker or a planner as a process of its own: `process worker|planner`, its site on stdin."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.distribute import distribute
from indexer.planner import PlannerSettings, Planning
from indexer.update import UpdateRequest
from sgpd.errors import SceneSiftError
from tests.indexer.archive import SMALL, TestArchive
from tests.indexer.colours import ColourEncoder
from tests.indexer.crew import Place, plans
from workers.app import QUEUES, create_app
from workers.broker import check_broker
from workers.queue import CeleryQueue
from workers.service import Service

PLANNER = PlannerSettings(scenes_per_batch=4, in_flight=4, poll_seconds=0.05)


@dataclass(frozen=True)
class Site:
    """Where an archive of the tests is, and how its processes behave."""

    redis: str
    opensearch: str
    prefix: str
    home: str
    source: str
    stall_seconds: float = 2.0
    drain_seconds: float = 10.0
    processes: int = 1
    seconds_per_image: float = 0.0
    """How slow the model is."""
    poison: bool = False
    """Whether pictures whose first pixel is red kill the process."""
    fault: str = ""
    """A model that cannot be loaded says this."""
    dies_at_start: bool = False
    """Whether a child is killed before it is ready, as where the model takes all memory."""

    def archive(self) -> TestArchive:
        """The archive, as a new process opens it."""
        return TestArchive.opensearch(
            self.opensearch, self.prefix, Path(self.home), Path(self.source)
        )

    def queue(self) -> CeleryQueue:
        """The planner's side of Redis."""
        return CeleryQueue(create_app(self.redis, self.prefix), self.redis)


class SlowEncoder(ColourEncoder):
    """Takes its time, and may die of a picture."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        time.sleep(self._site.seconds_per_image * len(images))
        if self._site.poison and any(image[0, 0].tolist() == [255, 0, 0] for image in images):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_images(images)


def open_place(site: Site) -> Place:
    if site.fault:
        raise SceneSiftError(site.fault)
    if site.dies_at_start:
        os.kill(os.getpid(), signal.SIGKILL)
    return Place(site.archive(), SlowEncoder(site), replace(SMALL, patience=30.0))


def worker(site: Site) -> None:
    app = create_app(site.redis, site.prefix)
    check_broker(site.redis)
    Service(
        app,
        lambda: CeleryQueue(app, site.redis),
        lambda: open_place(site),
        processes=site.processes,
        queues=QUEUES,
        drain_seconds=site.drain_seconds,
    ).run()


def planner(site: Site) -> None:
    check_broker(site.redis)
    archive = site.archive()
    archive.generation.create()
    summary = distribute(
        Planning(archive.generation, archive.ledger, plans(archive), site.queue(), PLANNER),
        UpdateRequest(Path(site.source)),
        opening=nullcontext,
        stall_seconds=site.stall_seconds,
    )
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
    here = Site(**json.load(sys.stdin))
    try:
        {"worker": worker, "planner": planner}[sys.argv[1]](here)
    except SceneSiftError as error:
        sys.exit(str(error))
