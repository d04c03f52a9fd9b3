"""The server of one process: its end loses no request that came, and has a bound."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import uvicorn

from query_service.connection import Connection

EXIT_SECONDS = 5.0
"""After the drain, what threads and connections are given to end; then they are left behind."""
_SAY_SECONDS = 1.0
"""What the log is given to take the last lines: nobody may read it any more."""
_ANSWER_SECONDS = 1.0
"""For the answers to requests that are given up at the end."""
_TICK_SECONDS = 0.05
_LATE_SECONDS = 2.0
"""After the last tick, which comes every 0.1 s, the event loop is taken to hang."""
_SWEEP_TICKS = 10
"""Of 0.1 s, from one look at all connections to the next."""

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """On SIGTERM or SIGINT it takes no new connections, and answers all that came before."""

    def __init__(self, config: uvicorn.Config, drain: float) -> None:
        """Requests under way have so many seconds to end."""
        super().__init__(config)
        self._drain = drain
        self._ticked = math.inf
        self._is_ending = False

    @property
    def is_going(self) -> bool:
        """Whether the event loop goes on; at the end, which has bounds of its own, it counts so."""
        return self._is_ending or time.monotonic() - self._ticked < _LATE_SECONDS

    async def on_tick(self, counter: int) -> bool:
        """Called every 0.1 s; looks for connections that stand still."""
        self._ticked = time.monotonic()
        if counter % _SWEEP_TICKS == 0:
            now = time.monotonic()
            for each in list(self.server_state.connections):
                if isinstance(each, Connection):
                    each.check(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what came, and end."""
        self._is_ending = True
        watch = _leave_in(self._drain + EXIT_SECONDS)
        log.info("taking no more requests; those under way have %g s", self._drain)
        self._tell()
        await self._take_the_last(sockets or [])
        self._tell()
        state = self.server_state
        deadline = time.monotonic() + self._drain
        while (state.connections or state.tasks) and not self.force_exit:
            if time.monotonic() >= deadline:
                log.warning("%d requests are given up, after %g s", len(state.tasks), self._drain)
                await _give_up(list(state.tasks))
                break
            await asyncio.sleep(_TICK_SECONDS)
        watch.cancel()
        _leave_in(EXIT_SECONDS)
        if not self.force_exit:
            await self.lifespan.shutdown()

    def _tell(self) -> None:
        """Let all connections know that this is the end."""
        for connection in list(self.server_state.connections):
            connection.shutdown()

    async def _take_the_last(self, sockets: Sequence[socket.socket]) -> None:
        """Take the connections that wait to be taken, and close what they came through.

        The system would reset them.
        """
        loop = asyncio.get_running_loop()
        waiting = [taken for listener in sockets for taken in _accepted(listener)]
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()
        for taken in waiting:
            with suppress(OSError):  # its caller has gone
                await loop.connect_accepted_socket(self._connection, taken)
        await asyncio.sleep(0.01)  # those that the loop has just taken become connections too

    def _connection(self) -> asyncio.Protocol:
        return Connection(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


async def _give_up(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Let requests be answered that they are not."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_ANSWER_SECONDS)


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait at a listener."""
    with suppress(OSError):  # there are no more
        listener.setblocking(False)
        while True:
            taken, _ = listener.accept()
            taken.setblocking(False)
            yield taken


def _leave_in(seconds: float) -> threading.Timer:
    """End this process after some seconds, whatever hangs in it.

    Python waits at its end for all threads; one that asks an engine which does not answer may
    never come back, and nobody waits for what it does.
    """
    timer = threading.Timer(seconds, _leave)
    timer.name, timer.daemon = "leave", True
    timer.start()
    return timer


def _leave() -> None:
    saying = threading.Thread(target=_say_last, daemon=True)
    saying.start()
    saying.join(_SAY_SECONDS)
    os._exit(0)


def _say_last() -> None:
    threads = [thread.name for thread in threading.enumerate() if not thread.daemon]
    left = ", ".join(sorted(set(threads) - {threading.main_thread().name}))
    log.warning("the process ends without waiting for what hangs: %s", left or "the event loop")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
