"""Progress on stderr: a bar with rate and time left on a terminal, else lines."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING

from scenesift import console

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_BETWEEN_DRAWINGS = 0.1


class Progress(AbstractContextManager["Progress"]):
    """Call it with how many are done, how many there are, and how many were done a second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int, rate: float) -> None:
        """Show it, unless something was shown a moment ago."""
        now = time.monotonic()
        pause = _SECONDS_BETWEEN_DRAWINGS if sys.stderr.isatty() else _SECONDS_BETWEEN_LINES
        if not total or (now - self._said < pause and done < total):
            return
        self._said = now
        if sys.stderr.isatty():
            self._draw(done, total, rate)
            if done >= total:
                self._finish()
        else:
            console.note(self._line(done, total, rate))

    def note(self, line: str) -> None:
        """A remark, above the bar where there is one."""
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            console.note(line)

    def _line(self, done: int, total: int, rate: float) -> str:
        left = (total - done) / rate if rate else 0.0
        return f"{self._what}: {done:,} of {total:,}, {rate:,.1f}/s, {_duration(left)} left"

    def _draw(self, done: int, total: int, rate: float) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=total, rate="")
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=total, rate=f"{rate:,.0f}/s")

    def __exit__(self, *error: object) -> None:
        self._finish()

    def _finish(self) -> None:
        """Take the bar away, so that what follows is not written into it."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class Steps(AbstractContextManager["Steps"]):
    """Progress of several steps, one after the other."""

    def __init__(self) -> None:
        self._open = ExitStack()

    def __call__(self, step: str) -> Progress:
        """Begin the next step."""
        self._open.close()
        return self._open.enter_context(Progress(step))

    def __exit__(self, *error: object) -> None:
        self._open.close()


def _duration(seconds: float) -> str:
    """Such as 1:05:09 or 2:09."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
