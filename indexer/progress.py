"""How long work tells how far it is."""

from __future__ import annotations

import time
from typing import Protocol


class Progress(Protocol):
    """Called again and again while work goes on, always from the thread that started it."""

    def __call__(self, done: int, total: int, rate: float) -> None:
        """So many of all are done; `rate` is how many a second, over the whole run."""


class Meter:
    """Counts what is done and reports it."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total = total
        self.done = 0
        self._progress = progress
        self._started = time.perf_counter()
        self.add(0)

    def add(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        if self._progress is not None:
            self._progress(self.done, self.total, self.rate)

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._started

    @property
    def rate(self) -> float:
        """Done a second, since the start."""
        return self.done / max(self.seconds, 1e-9)
