"""The worker: a Celery process whose children each load the model, work, and end within a bound."""

from __future__ import annotations

import logging
import mmap
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from celery import Celery, signals
from celery.exceptions import SecurityWarning

from indexer.errors import UnfitError
from indexer.planner import Queue
from sgpd.errors import SceneSiftError
from workers.app import CHORE_TASK, COMPACT_TASK, WORK_TASK
from workers.errors import WorkerError
from workers.station import Place, Station, one_line

GRACE_SECONDS = 30.0
"""What a child is given to give its batch back, once it was told to, before it is killed."""

STARTS = 3
"""Children that are begun again where none came so far as to be ready."""
_TOLD, _BEGUN = 0, 1

log = logging.getLogger(__name__)


class Service:
    """One worker with its children; to be made and run once in a process."""

    def __init__(
        self,
        app: Celery,
        queue: Callable[[], Queue],
        open_place: Callable[[], Place],
        *,
        processes: int,
        queues: Sequence[str],
        drain_seconds: float,
    ) -> None:
        """`queue` and `open_place` are called in each child, which shares nothing open with us."""
        self._app = app
        self._queue = queue
        self._open_place = open_place
        self._processes = processes
        self._queues = list(queues)
        self._drain_seconds = drain_seconds
        self._station: Station | None = None
        self._shared = memoryview(mmap.mmap(-1, 8)).cast("I")
        """With the children: at _TOLD not 0 once they are to give back what they have, at _BEGUN
        how many were begun since one was ready."""
        self._fault_in, self._fault_out = os.pipe()
        self._parent = os.getpid()
        self._timers: list[threading.Timer] = []
        app.task(name=WORK_TASK)(self._work)
        app.task(name=COMPACT_TASK)(self._compact)
        app.task(name=CHORE_TASK)(self._chore)

    def run(self) -> None:
        """Work until SIGTERM or Ctrl-C; WorkerError when no child can work."""
        warnings.filterwarnings("ignore", category=SecurityWarning)  # of root, usual in containers
        signals.worker_process_init.connect(self._open, weak=False)
        signals.worker_process_shutdown.connect(self._close, weak=False)
        signals.worker_shutting_down.connect(self._drain, weak=False)
        signals.setup_logging.connect(_keep_logging, weak=False)
        worker = self._app.Worker(
            hostname=f"scenesift@{socket.gethostname()}-{os.getpid()}",
            concurrency=self._processes,
            queues=self._queues,
            pool="prefork",
            loglevel="WARNING",
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
        worker.start()
        for timer in self._timers:
            timer.cancel()
        os.close(self._fault_out)
        with os.fdopen(self._fault_in) as faults:
            said = faults.readline().strip()
        if said:
            raise WorkerError(said)

    # --- in a child

    def _open(self, **_: Any) -> None:
        self._shared[_BEGUN] += 1
        if self._shared[_BEGUN] > self._processes + STARTS:
            self._give_up(
                WorkerError(
                    f"{self._shared[_BEGUN] - 1} child processes died one after the other before "
                    "they were ready; see what the system says of them: there may be too little "
                    "memory for the model, of which each of --processes has its own"
                )
            )
            return
        try:
            self._station = Station(self._open_place(), self._queue(), self._is_told)
            self._station.warm_up()
        except Exception as error:
            self._give_up(error)
        else:
            self._shared[_BEGUN] = 0
            log.info("process %d is ready", os.getpid())

    def _close(self, **_: Any) -> None:
        if self._station is not None:
            self._station.close()

    def _is_told(self) -> bool:
        return self._shared[_TOLD] != 0

    def _give_up(self, error: Exception) -> None:
        """Let the whole worker end: what is wrong here is wrong with every child."""
        os.write(self._fault_out, f"{one_line(error)}\n".encode()[:4000])
        os.kill(self._parent, signal.SIGTERM)

    def _work(self, message: Any) -> None:
        self._do(lambda station: station.work(message))

    def _compact(self, message: Any) -> None:
        self._do(lambda station: station.compact(message))

    def _chore(self, message: Any) -> None:
        self._do(lambda station: station.chore(message))

    def _do(self, task: Callable[[Station], None]) -> None:
        if self._station is None:
            return
        try:
            task(self._station)
        except UnfitError as error:
            self._give_up(error)
        except SceneSiftError as error:
            log.error(one_line(error))

    # --- in the parent

    def _drain(self, **_: Any) -> None:
        """Called by the signal that ends the worker: children may finish what they have, so long.

        Then they are told to give it back; one that does not listen is killed.
        """
        if self._timers:
            return

        def tell() -> None:
            self._shared[_TOLD] = 1

        def kill() -> None:
            os.kill(self._parent, signal.SIGQUIT)

        for seconds, act in (
            (self._drain_seconds, tell),
            (self._drain_seconds + GRACE_SECONDS, kill),
        ):
            timer = threading.Timer(seconds, act)
            timer.daemon = True
            timer.start()
            self._timers.append(timer)


def _keep_logging(**_: Any) -> None:
    """Celery leaves logging alone where somebody listens to this."""
