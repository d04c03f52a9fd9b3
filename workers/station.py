"""A station: what a worker's child process works with, opened once and warmed up first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import numpy as np

from indexer.chore import ChoreHint
from indexer.errors import RunError, UnfitError
from indexer.maintenance import MaintenancePlace, compact_alone, do_chore
from indexer.planner import Queue
from indexer.run import Hint
from indexer.runs import Runs
from indexer.work import Ended, Worker, Workplace
from scenestore.errors import StoreError
from scenestore.lease import this_process
from sgpd.errors import SceneSiftError

log = logging.getLogger(__name__)

_PLAIN_IMAGE = np.full((64, 64, 3), 128, np.uint8)
_PLAIN_TEXT = "a river"


class Place(Workplace, MaintenancePlace, Protocol):
    """A workplace that is opened by the process that works there."""

    def close(self) -> None:
        """Give back files and connections."""


class Station:
    """One child process's workplace, and the tasks as it does them."""

    def __init__(self, place: Place, queue: Queue, stop: Callable[[], bool]) -> None:
        """`stop` tells that the worker is to end soon."""
        self._place = place
        self._queue = queue
        self._stop = stop
        self._worker = Worker(place, _say, stop)

    def warm_up(self) -> None:
        """Load the model and let it encode once: the first batch need not wait for that."""
        encoder = self._place.encoder
        encoder.encode_images([encoder.prepare(_PLAIN_IMAGE)])
        encoder.encode_texts([_PLAIN_TEXT])

    def work(self, message: Any) -> None:
        """Make the attempt that a message hints at; UnfitError where others have to make it.

        Where it cannot be made by a worker like this, who waits for it is told.
        """
        try:
            hint = Hint.from_json(message)
            self._worker.take(hint)
        except UnfitError as error:
            self._queue.enqueue(hint)
            self._refuse(message, error)
            raise
        except RunError as error:
            self._refuse(message, error)
            raise

    def _refuse(self, message: Any, error: RunError) -> None:
        if isinstance(message, Mapping) and "run" in message:
            reason = f"worker {this_process()} cannot do it: {one_line(error)}"
            with suppress(StoreError):  # its own error is said all the same
                Runs(self._place.ledger).refuse(str(message["run"]), reason)

    def compact(self, message: Any) -> None:
        """Compact a generation, unless another worker does."""
        merged = compact_alone(self._place.generation(str(message["generation"])))
        if merged:
            log.info("compacted %d times", merged)

    def chore(self, message: Any) -> None:
        """Make the attempt at a chore that a message hints at."""
        ended = do_chore(self._place, ChoreHint.from_json(message), self._stop)
        if ended is not None:
            log.info(ended)

    def close(self) -> None:
        """Write what is encoded, and give back files and connections."""
        self._worker.close()
        self._place.close()


def _say(ended: Ended) -> None:
    log.info("run %s, batch %s: %s", ended.batch.run, ended.batch.id, ended.what)


def one_line(error: BaseException) -> str:
    """What a log says of an error."""
    text = " ".join(str(error).split())
    return text if isinstance(error, SceneSiftError) else f"{type(error).__name__}: {text}"
