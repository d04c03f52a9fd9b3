"""The method's page shows the runs that are kept beside it."""

from __future__ import annotations

import json
from pathlib import Path

from docs.plot_method import PAGE, RUNS, draw, with_tables


def test_the_tables_are_those_of_the_kept_runs() -> None:
    runs = {name: json.loads(file.read_text()) for name, file in RUNS.items()}
    assert with_tables(PAGE.read_text(), runs) == PAGE.read_text()


def test_the_plots_can_be_drawn_again(tmp_path: Path) -> None:
    draw(json.loads(RUNS["selector"].read_text()), tmp_path)
    drawn = {file.name for file in tmp_path.iterdir()}
    assert drawn == {"selector-recall.svg", "selector-reliability.svg"}
    for name in drawn:
        assert f"images/{name}" in PAGE.read_text()
