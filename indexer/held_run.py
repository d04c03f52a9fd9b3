"""A run's document as its planner holds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from indexer.kept import Kept
from indexer.run import Run
from indexer.runs import Runs
from scenestore.errors import ConflictError, LostError


class HeldRun:
    """The run as one planner wrote it last; LostError where another command changed it."""

    def __init__(self, runs: Runs, kept: Kept[Run]) -> None:
        self._runs = runs
        self._kept = kept

    @property
    def run(self) -> Run:
        """As it was read or written last."""
        return self._kept.value

    def read(self) -> None:
        """Take the run as it is now, whoever wrote it; LostError where it was ended."""
        self._kept = self._current()

    def check(self) -> None:
        """Raise LostError where the run was ended, or is no longer as it is held."""
        if self._current().version != self._kept.version:
            raise LostError(f"run {self.run.id} was changed by another command")

    def _current(self) -> Kept[Run]:
        found = self._runs.read(self.run.id)
        if found is None or found.value.state != "open":
            raise LostError(f"run {self.run.id} was ended by another command")
        return found

    def change(self, **changes: Any) -> None:
        """Change some of its fields, as `dataclasses.replace` does."""
        self.write(replace(self.run, **changes))

    def write(self, run: Run) -> None:
        """Put the run in the place of what is held."""
        try:
            self._kept = Kept(run, self._runs.write(run, self._kept.version))
        except ConflictError as error:
            found = self._runs.read(run.id)
            if found is None or found.value != run:  # else only the answer was lost
                raise LostError(f"run {run.id} was changed by another command") from error
            self._kept = found
