"""When an answer must be there: what nobody waits for any more is worked on no longer."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from query_service.errors import TimedOutError

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def due(deadline: float) -> Iterator[None]:
    """What is done in the block must be done by then, in seconds of `time.monotonic`."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def check_time() -> None:
    """Raise TimedOutError where it is too late; every step of a search begins with it."""
    if time.monotonic() > _deadline.get():
        raise TimedOutError("there was no time left for it; ask for it alone, or for less")
