"""Times the steps of a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from query_service.deadline import check_time


class Steps:
    """Milliseconds by step, in the order in which steps first ran, and their total."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._milliseconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a step; a step that runs again adds up. TimedOutError where no time is left."""
        check_time()
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = 1000 * (time.perf_counter() - started)
            self._milliseconds[name] = self._milliseconds.get(name, 0.0) + spent

    def milliseconds(self) -> dict[str, float]:
        """What each step took, and `total` since the beginning."""
        return {**self._milliseconds, "total": 1000 * (time.perf_counter() - self._started)}
