"""Calibration: which settings keep a recall target, by conformal risk control.

Settings form one path from cheap to thorough, chosen on some queries. On other queries, exchangeable
with those to come, the cheapest stop is taken whose mean loss R over n queries keeps
(n R + 1) / (n + 1) <= 1 - target; the expected recall is then at least the target (Angelopoulos et
al., Conformal Risk Control, 2022). What is reported is measured on a third part of the queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sgpd.plan import Settings
from sgpd.replay import Replayed, Replayer

LEAST_QUERIES = 1_000
"""Calibrated on fewer, no promise is given."""

QUERY_TERMS = (16, 32)
GUIDE_SIZES = (112, 208, 400, 1_008)
PATIENCES = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1_008)
OPEN_ABOVE = (2.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Rungs of the path; above 1 no cell opens but where the guide is shorter than k."""

EVERYTHING = "everything"
"""The last stop of any path: all cells are scanned."""

Cost = Callable[[Settings, Replayed], float]
"""What a search takes, in microseconds."""


def settings_path(replayer: Replayer, k: int, cost: Cost) -> tuple[Settings, ...]:
    """Settings from the cheapest on, each a superset of the one before in what it scores.

    Each step goes up one rung in one setting: the one that finds most for what it costs. Where no
    single step finds anything, the cheapest is taken, as two together may.
    """
    measured: dict[Settings, tuple[float, float]] = {}

    def measure(settings: Settings) -> tuple[float, float]:
        if settings not in measured:
            replayed = replayer.replay(settings, k)
            measured[settings] = (
                float(np.mean([one.recall for one in replayed])),
                float(np.mean([cost(settings, one) for one in replayed])),
            )
        return measured[settings]

    path = [Settings(QUERY_TERMS[0], GUIDE_SIZES[0], PATIENCES[0], OPEN_ABOVE[0])]
    while measure(path[-1])[0] < 1.0 and (steps := list(_steps(path[-1]))):
        recall, spent = measure(path[-1])

        def worth(settings: Settings) -> tuple[float, float]:
            more_recall, more_spent = measure(settings)
            price = max(more_spent - spent, 1e-9)  # noqa: B023 - called in this turn only
            return (more_recall - recall) / price, -price  # noqa: B023

        path.append(max(steps, key=worth))
    return tuple(path)


def _steps(now: Settings) -> Sequence[Settings]:
    """The settings one rung up; patience beyond the guide's size would change nothing."""
    steps = []
    for name, rungs in (
        ("query_terms", QUERY_TERMS),
        ("guide_size", GUIDE_SIZES),
        ("patience", PATIENCES),
        ("open_above", OPEN_ABOVE),
    ):
        above = rungs.index(getattr(now, name)) + 1
        if above < len(rungs):
            steps.append(replace(now, **{name: rungs[above]}))
    return [step for step in steps if PATIENCES.index(step.patience) == 0 or step.patience <= step.guide_size]
