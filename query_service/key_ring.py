"""The keys in force, read in the background: who has one waits for no store."""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future

from query_service.keys import Key, digest_of
from scenestore.errors import UnavailableError
from sgpd.errors import SceneSiftError

REFRESH_SECONDS = 10.0
"""How long a key may work that was revoked, where the keys can be read within some seconds."""
STALE_SECONDS = 60.0
"""How long where they cannot: after that nobody is let in."""

_EVERY_SECONDS = 0.4 * REFRESH_SECONDS
"""From one reading to the next: two of three seconds each still fit into REFRESH_SECONDS."""
_PAUSE_SECONDS = 2.0
"""The same where somebody waits for it: keys that nobody knows make no more readings than that."""
_WAIT_SECONDS = 5.0
"""How long a request waits for a reading."""
_IDLE_SECONDS = 300.0
"""After so long without a request the keys are forgotten, and read no more until the next one."""

log = logging.getLogger("scenesift.keys")


class KeyRing:
    """The keys in force; a thread reads them while requests come.

    A key that is known is answered for at once. One that is not waits for a reading that begins
    after it came: so a new key works from its first use on.
    """

    def __init__(self, load: Callable[[], Collection[Key]]) -> None:
        """`load` reads the keys; it may take its time, and may raise SceneSiftError."""
        self._load = load
        self._keys: Collection[Key] = ()
        self._read = -math.inf
        """When the reading of them began."""
        self._used = -math.inf
        self._began: float | None = None
        """When the reading began that is under way."""
        self._is_told = False
        """Whether the log has it that this one hangs."""
        self._reader: threading.Thread | None = None
        self._waiting: list[tuple[float, Future[bool]]] = []
        """Of requests: since when they want a reading to begin; then whether it came to its end."""
        self._change = threading.Condition()
        self._is_open = True

    async def holder(self, token: str) -> str | None:
        """Name of the key that a token is; None where it is none.

        UnavailableError where the keys could not be read for STALE_SECONDS, or where the token is
        unknown and they cannot be read now.
        """
        came = self._use()
        digest = digest_of(token)
        if self._age < STALE_SECONDS and (holder := self._found(digest)) is not None:
            return holder
        if not await self._is_read_since(came):
            raise UnavailableError("the keys cannot be read now; try again later")
        return self._found(digest)

    def close(self) -> None:
        """Read no more, until somebody asks again."""
        with self._change:
            self._is_open = False
            self._change.notify()

    def _found(self, digest: str) -> str | None:
        holder = None
        for key in self._keys:  # all of them: the time must not tell which was near
            if hmac.compare_digest(key.digest, digest):
                holder = key.name
        return holder

    def _use(self) -> float:
        """Let the keys be read as long as somebody asks; when that was."""
        self._used = now = time.monotonic()
        if self._reader is None:
            with self._change:
                if self._reader is None:
                    self._is_open = True
                    self._reader = threading.Thread(target=self._keep, name="keys", daemon=True)
                    self._reader.start()
        elif self._hangs and not self._is_told:
            self._is_told = True
            log.warning("the keys cannot be read: no answer within %g s", _WAIT_SECONDS)
        return now

    async def _is_read_since(self, came: float) -> bool:
        """Whether a reading that begins after that time comes to its end, and soon."""
        if self._hangs:
            return False
        wanted: Future[bool] = Future()
        with self._change:
            self._waiting.append((came, wanted))
            self._change.notify()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(wanted), _WAIT_SECONDS)
        except TimeoutError:
            return False

    def _keep(self) -> None:
        """Read the keys, again and again, until nobody has asked for long."""
        while True:
            self._is_told = False
            self._began = began = time.monotonic()
            is_read = self._reading(began)
            self._began = None
            with self._change:
                served = [wanted for came, wanted in self._waiting if came <= began]
                self._waiting = [each for each in self._waiting if each[0] > began]
            for wanted in served:
                if wanted.set_running_or_notify_cancel():
                    wanted.set_result(is_read)
            with self._change:
                while (left := self._pause(began)) > 0:
                    self._change.wait(left)
                if self._is_open and (self._waiting or began - self._used < _IDLE_SECONDS):
                    continue
                self._keys, self._read, self._reader = (), -math.inf, None
                return

    def _reading(self, began: float) -> bool:
        try:
            self._keys = self._load()
        except SceneSiftError as error:
            log.warning("the keys cannot be read: %s", error)
            return False
        except Exception:
            log.exception("the keys cannot be read, which is a fault of the program")
            return False
        self._read = began
        return True

    def _pause(self, began: float) -> float:
        """Seconds until the next reading."""
        pause = _PAUSE_SECONDS if self._waiting else _EVERY_SECONDS
        return began + pause - time.monotonic() if self._is_open else 0.0

    @property
    def _age(self) -> float:
        """Seconds since the keys were read."""
        return time.monotonic() - self._read

    @property
    def _hangs(self) -> bool:
        """Whether a reading is under way that has not ended in time."""
        began = self._began
        return began is not None and time.monotonic() - began > _WAIT_SECONDS
