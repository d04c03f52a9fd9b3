"""A run is changed by compare-and-set, also by those who come from outside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from indexer.run import Run
from indexer.runs import Runs
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.ports import Record

RUN = Run("r", "c", "/pictures", "g1", "digest", 60.0)


class BusyLedger(EmbeddedLedger):
    """A ledger whose run is changed by its planner right after it was read, three times."""

    times = 3

    def read(self, name: str) -> Record | None:
        """The document as it was before the planner changed it."""
        found = super().read(name)
        if found is not None and self.times:
            self.times -= 1
            changed: dict[str, Any] = found.value | {"batches": found.value["batches"] + 1}
            self.write(name, changed, found.version)
        return found


def test_a_run_is_stopped_while_its_planner_changes_it(tmp_path: Path) -> None:
    runs = Runs(BusyLedger(tmp_path / "ledger.sqlite"))
    runs.write(RUN, None)
    stopped = replace(RUN, state="stopped", reason="it was cancelled", batches=3)
    assert runs.stop("r", "it was cancelled") == stopped
    found = runs.read("r")
    assert found is not None
    assert found.value == stopped


def test_a_run_that_has_ended_stays_as_it_ended(tmp_path: Path) -> None:
    runs = Runs(EmbeddedLedger(tmp_path / "ledger.sqlite"))
    done = replace(RUN, state="done")
    runs.write(done, None)
    assert runs.stop("r", "it was cancelled") == done
    assert runs.stop("unknown", "it was cancelled") is None
