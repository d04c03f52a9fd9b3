"""Several processes that serve at one socket: those that die are replaced, and the log says why."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from types import FrameType

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from query_service.server import EXIT_SECONDS, Server

HUNG_SECONDS = 60.0
"""A process that says nothing for so long is replaced; to begin takes one some seconds."""
YOUNG_SECONDS = 5.0
"""From the start of one to that of its successor at least: what dies at once would fill the log."""
_BEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_STOP, _RENEW = (signal.SIGTERM, signal.SIGINT), signal.SIGHUP

_spawn = multiprocessing.get_context("spawn")
log = logging.getLogger(__name__)


class StartError(Exception):
    """A process could not begin to serve, and another one could not either."""


class Supervisor:
    """Runs processes until SIGTERM or SIGINT; SIGHUP replaces each of them by a new one."""

    def __init__(
        self, config: uvicorn.Config, listener: socket.socket, workers: int, drain: float
    ) -> None:
        """All take from one listener; requests under way at the end have `drain` seconds."""
        self._config = config
        self._listener = listener
        self._drain = drain
        self._workers = [self._worker() for _ in range(workers)]
        self._leaving: list[_Worker] = []
        """Told to end, while others take their place."""
        self._old: list[_Worker] = []
        """To be replaced since SIGHUP, one after another."""
        self._new: _Worker | None = None
        """Begins to serve in place of the first of these."""
        self._is_stopped = False

    def run(self) -> None:
        """Serve, and let all processes come to their end; StartError."""
        with self._signals():
            for worker in self._workers:
                worker.start()
            try:
                while not self._is_stopped:
                    wait([w.sentinel for w in self._workers if w.is_started], _LOOK_SECONDS)
                    self._look()
            finally:
                self._stop()

    def _worker(self) -> _Worker:
        return _Worker(self._config, self._listener, self._drain)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            self._is_stopped = True

        def renew(number: int, frame: FrameType | None) -> None:
            self._old = [*self._workers]

        before = {number: signal.signal(number, stop) for number in _STOP}
        before[_RENEW] = signal.signal(_RENEW, renew)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _look(self) -> None:
        """Replace those that have died or hang; start those whose time has come."""
        for number, worker in enumerate(self._workers):
            if not worker.is_started:
                if time.monotonic() >= worker.begins:
                    worker.start()
            elif fault := worker.fault():
                if worker.exitcode == STARTUP_FAILURE:
                    raise StartError
                log.warning("the worker process %d %s; another takes its place", worker.pid, fault)
                worker.end()
                self._workers[number] = after = self._worker()
                after.begins = worker.begins + YOUNG_SECONDS
        self._leaving = [each for each in self._leaving if not each.is_gone(self._drain)]
        self._renew()

    def _renew(self) -> None:
        """Let a new process serve before an old one is told to end."""
        old = self._old[0] if self._old else None
        if old is None:
            return
        if old not in self._workers:  # it has died, and was replaced
            self._old.pop(0)
        elif self._new is None:
            self._new = self._worker()
            self._new.start()
        elif fault := self._new.fault():
            log.error("the new worker process %d %s; the old ones stay", self._new.pid, fault)
            self._new.end()
            self._new, self._old = None, []
        elif self._new.is_serving:
            self._workers[self._workers.index(old)] = self._new
            if old.is_started:
                old.stop()
                self._leaving.append(old)
            self._new = None
            self._old.pop(0)

    def _stop(self) -> None:
        """Tell all to end, and wait for it, but not for ever."""
        # The last of them that closes it resets who nobody took: that must be one that takes them.
        self._listener.close()
        ending = [*self._workers, *self._leaving, *([self._new] if self._new else [])]
        ending = [each for each in ending if each.is_started]
        for worker in ending:
            worker.stop()
        while ending := [each for each in ending if not each.is_gone(self._drain)]:
            time.sleep(_LOOK_SECONDS / 10)


class _Worker:
    """One process that serves, as its parent sees it."""

    def __init__(self, config: uvicorn.Config, listener: socket.socket, drain: float) -> None:
        self._beats, sender = _spawn.Pipe(duplex=False)
        self._sender: Pipe | None = sender
        self._process = _spawn.Process(target=_work, args=(config, listener, drain, sender))
        self.begins = -float("inf")
        """When it was started; before that, when it is to be."""
        self._heard = 0.0
        self._stopped: float | None = None
        self.is_started = False
        self.is_serving = False

    def start(self) -> None:
        """Start the process; of Ctrl-C, which a terminal sends to all, only its parent tells it."""
        resource_tracker.ensure_running()  # else it begins with this one, and lets the signal in
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert self._sender is not None
        self._sender.close()  # it has its own: so each end learns when the other one is gone
        self._sender = None
        self.is_started = True
        self.begins = self._heard = time.monotonic()

    def fault(self) -> str | None:
        """How it has ended, or that it hangs; None where it does neither."""
        if not self._process.is_alive():
            return _how(self._process.exitcode)
        now = time.monotonic()
        try:
            while self._beats.poll():
                self.is_serving, self._heard = self._beats.recv(), now
        except (EOFError, OSError):
            pass  # it ends
        if now - self._heard > HUNG_SECONDS:
            return f"has said nothing for {HUNG_SECONDS:g} s, and is ended"
        return None

    def stop(self) -> None:
        """Tell it to end."""
        self._process.terminate()
        self._stopped = time.monotonic()

    def is_gone(self, drain: float) -> bool:
        """Whether it has ended; one that should have long ago is killed."""
        if self._process.is_alive():
            assert self._stopped is not None
            if time.monotonic() - self._stopped < drain + 2 * EXIT_SECONDS:
                return False
            log.error("the worker process %d does not end, and is killed", self.pid)
        elif self._process.exitcode not in (0, -signal.SIGTERM):
            log.warning("the worker process %d %s", self.pid, _how(self._process.exitcode))
        self.end()
        return True

    def end(self) -> None:
        """End it at once, where it has not."""
        self._process.kill()
        self._process.join()
        self._beats.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    @property
    def exitcode(self) -> int | None:
        """As multiprocessing has it: below 0 a signal."""
        return self._process.exitcode

    @property
    def sentinel(self) -> int:
        """Is ready once it has ended."""
        return self._process.sentinel


def _how(code: int | None) -> str:
    """How a process ended."""
    if code is None or code >= 0:
        return f"ended by itself with code {code}"
    name = signal.Signals(-code).name
    why = ", which is how the system ends one where memory runs out" if code == -9 else ""
    return f"was ended by {name}{why}"


def _work(config: uvicorn.Config, listener: socket.socket, drain: float, beats: Pipe) -> None:
    """What a process does."""
    config.configure_logging()
    server = Server(config, drain)

    def beat() -> None:
        try:
            while True:
                if server.is_going:
                    beats.send(server.started)
                time.sleep(_BEAT_SECONDS)
        except OSError:  # the parent was killed: nobody would ever end this one
            os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=beat, name="beat", daemon=True).start()
    server.run([listener])
