"""Patience: trying again, within a bound, what an engine that is away for a moment did not take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from scenestore.errors import UnavailableError

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 5.0

Result = TypeVar("Result")


def patiently(act: Callable[[], Result], seconds: float) -> Result:
    """The result of what is safe to repeat; UnavailableError when it fails for so many seconds."""
    deadline = time.monotonic() + seconds
    wait = _FIRST_WAIT
    while True:
        try:
            return act()
        except UnavailableError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            time.sleep(min(wait, left))
            wait = min(2 * wait, _LONGEST_WAIT)
