"""Idleness: nothing happens as no worker does anything, which whoever waits is told."""

from __future__ import annotations

import time
from collections.abc import Callable

from sgpd.say import Say

NOTICE_SECONDS = 30.0
"""Longer than a worker takes to load its model."""
_REPEAT_SECONDS = 300.0


class Idleness:
    """Says, once it has lasted for so long and then every five minutes, that no worker works."""

    def __init__(self, notice_seconds: float, say: Say) -> None:
        self._notice_seconds = notice_seconds
        self._say = say
        self._next = time.monotonic() + notice_seconds
        self._since = time.monotonic()

    def end(self) -> None:
        """Some worker does something."""
        self._since = time.monotonic()
        self._next = self._since + self._notice_seconds

    def look(
        self,
        waiting: Callable[[], int],
        queue: str,
        refusal: Callable[[], str | None] = lambda: None,
    ) -> None:
        """None does: say so if that is due.

        `waiting` tells how many messages nobody has taken, `refusal` what a worker said that took
        one and could not do it.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _REPEAT_SECONDS
        seconds = f"{now - self._since:.0f} s"
        refused = refusal()
        if refused is not None:
            self._say(f"waiting: {refused}")
        elif count := waiting():
            self._say(
                f"waiting: no worker has taken anything from {queue} for {seconds}, where {count} "
                "messages wait; start `scenesift worker` with the same settings (more of them, "
                "where all are busy)"
            )
        else:
            self._say(
                f"waiting: no message waits in {queue}, but no worker has begun with any in "
                f"{seconds}; see what the workers say, and that no other archive shares that Redis "
                "and the prefix"
            )
