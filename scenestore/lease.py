"""Leases: who may do what only one may do at a time, told by a counter and never by a wall clock.

A lease is a ledger document whose counter its holder raises. Whoever else wants it watches: when
the counter has stood still for so many seconds of the watcher's own monotonic clock, it takes the
lease over. A holder that was paused finds out when it raises the counter or calls `check`; what it
does in between must be safe by itself (compare-and-set, ordinals).
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from scenestore.errors import ConflictError, LostError, StoreError, UnavailableError
from scenestore.ports import Ledger

SECONDS = 15.0
"""How long a counter may stand still before its holder counts as dead."""
RAISES = 5
"""How often a holder raises the counter in that time."""


class Lease:
    """One contender's side of a lease."""

    def __init__(self, ledger: Ledger, name: str, seconds: float = SECONDS) -> None:
        self.name = name
        self.seconds = seconds
        self._ledger = ledger
        self._token = secrets.token_hex(8)
        self._held: tuple[dict[str, Any], Any] | None = None
        """What we wrote last, and its version."""
        self._writing = threading.Lock()
        self._seen: object = None
        self._since = 0.0

    def take(self) -> bool:
        """Take it if it is free or its holder seems dead; call it again and again until it is ours.

        A holder is found dead by the second call at the earliest.
        """
        record = self._ledger.read(self.name)
        if record is not None and record.value["token"] is not None:
            if record.version != self._seen:
                self._seen, self._since = record.version, time.monotonic()
                return False
            if time.monotonic() - self._since < self.seconds:
                return False
        value = {"token": self._token, "holder": this_process(), "count": 0}
        try:
            version = self._ledger.write(self.name, value, record.version if record else None)
        except ConflictError:
            return False
        self._held = value, version
        return True

    def wait(self) -> bool:
        """Take it, after waiting where its holder may be dead; False once that is seen alive."""
        first: object = None
        while not self.take():
            if first is not None and self._seen != first:
                return False
            first = self._seen
            time.sleep(self.seconds / RAISES / 2)
        return True

    def holder(self) -> str | None:
        """Who holds it, as people know processes; None when it is free."""
        record = self._ledger.read(self.name)
        return str(record.value["holder"]) if record and record.value["token"] else None

    def check(self) -> None:
        """Raise the counter; LostError unless it is still ours, as of now."""
        with self._writing:
            if self._held is not None:
                value, version = self._held
                raised = {**value, "count": value["count"] + 1}
                try:
                    self._held = raised, self._ledger.write(self.name, raised, version)
                except ConflictError:
                    self._held = self._found_again()
            if self._held is None:
                raise LostError(
                    f"{self.name} is no longer held by this process, which stood still: another "
                    "has taken it over"
                )

    def _found_again(self) -> tuple[dict[str, Any], Any] | None:
        """The lease, if it is ours all the same: a write may happen and its answer be lost."""
        record = self._ledger.read(self.name)
        ours = record is not None and record.value["token"] == self._token
        return (record.value, record.version) if record is not None and ours else None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep what `take` took: the counter is raised by a thread, and the lease freed at the end.

        An engine that does not answer is asked again: it is for others to find us dead.
        """
        with raising(self.check, self.seconds / RAISES):
            try:
                yield
            finally:
                self._free()

    def _free(self) -> None:
        with self._writing, suppress(StoreError):  # else it is taken over once we are found dead
            if self._held is not None:
                value, version = self._held
                self._held = None
                free: Mapping[str, Any] = {**value, "token": None}
                self._ledger.write(self.name, free, version)


@contextmanager
def raising(raise_it: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call it every so many seconds from a thread, until it raises LostError or the block ends."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(seconds):
            try:
                raise_it()
            except LostError:
                return
            except UnavailableError:
                continue

    thread = threading.Thread(target=run, name="raising", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def this_process() -> str:
    """Host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
