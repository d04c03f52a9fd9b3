"""Values that threads share: one of them reads a value, the others do not wait if they need not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from scenestore.errors import UnavailableError

FOLLOW_SECONDS = 2.0
"""How old what is followed may get before it is read again: bounds how long a batch is unseen."""
WAIT_SECONDS = 60.0
"""How long a thread waits for another's first reading: a model's loading may take that long."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Known(Generic[Value]):
    asked: float
    value: Value


class Shared(Generic[Value]):
    """A value that is read when first asked for, and again when it is old.

    One thread reads it again while the others go on with what was known. Only before the first
    reading do they wait for it; where it fails, it has failed for them too.
    """

    def __init__(self, read: Callable[[], Value], seconds: float | None = None) -> None:
        """`seconds` until it is old, else FOLLOW_SECONDS; infinite for what is read once."""
        self._read = read
        self._seconds = seconds
        self._reading = threading.Lock()
        self._keeping = threading.Lock()
        self._known: _Known[Value] | None = None
        self._failed: tuple[float, Exception] | None = None

    @property
    def known(self) -> Value | None:
        """What was read last, however old; None where nothing was."""
        known = self._known
        return known.value if known else None

    def current(self) -> Value:
        """The value, not older than it may be, but for as long as another thread reads it anew.

        UnavailableError where another has been at its first reading for WAIT_SECONDS.
        """
        known, came = self._known, time.monotonic()
        if known is not None and not self._is_old(known):
            return known.value
        if not self._reading.acquire(timeout=WAIT_SECONDS if known is None else 0):
            if known is not None:
                return known.value
            raise UnavailableError(
                f"something that is read once has taken more than {WAIT_SECONDS:g} s; try again "
                "in a moment"
            )
        try:
            known = self._known  # which another may have read meanwhile
            if known is not None and not self._is_old(known):
                return known.value
            if known is None and self._failed is not None and self._failed[0] >= came:
                raise self._failed[1]
            return self._first()
        finally:
            self._reading.release()

    def _first(self) -> Value:
        try:
            return self._anew()
        except Exception as error:
            self._failed = time.monotonic(), error
            raise

    def now(self) -> Value:
        """The value as of now; others go on with the last meanwhile."""
        is_first = self._reading.acquire(blocking=False)
        try:
            return self._anew()
        finally:
            if is_first:
                self._reading.release()

    def _anew(self) -> Value:
        asked = time.monotonic()
        value = self._read()
        self._keep(_Known(asked, value))
        return value

    def keep(self, value: Value) -> None:
        """Take over what the caller has just read or written."""
        self._keep(_Known(time.monotonic(), value))

    def _keep(self, found: _Known[Value]) -> None:
        with self._keeping:  # who asked last knows best
            if self._known is None or self._known.asked <= found.asked:
                self._known = found

    def forget(self) -> Value | None:
        """Read it anew when it is asked for next; returns what was known."""
        with self._keeping:
            known, self._known = self._known, None
        return known.value if known else None

    def _is_old(self, known: _Known[Value]) -> bool:
        most = FOLLOW_SECONDS if self._seconds is None else self._seconds
        return time.monotonic() - known.asked > most
