"""The path of settings from cheap to thorough, along which calibration looks for the first stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from sgpd.costs import Costs
from sgpd.plan import NEVER, Settings
from sgpd.replay import Replayer

_RUNGS: Mapping[str, tuple[float, ...]] = {
    "query_terms": (32, 64, 128),
    "guide_size": (112, 208, 400, 1_008),
    "patience": (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1_008),
    "open_above": (
        NEVER,
        0.5,
        0.2,
        0.1,
        0.05,
        0.02,
        0.01,
        0.005,
        0.002,
        0.001,
        0.0005,
        0.0002,
        0.0001,
    ),
    "cover": (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999),
}
_WHOLE = 0.9995
"""Mean recall at which a path ends: what is beyond costs more than scanning everything."""
_BEYOND = 4
"""Stops after that, for queries that need more than those of the path."""
QUERY_TERMS = tuple(int(rung) for rung in _RUNGS["query_terms"])
GUIDE_SIZE = int(_RUNGS["guide_size"][-1])
"""The largest: traces have guides of so many documents."""
FILTERED_TERMS = QUERY_TERMS[-1:]
"""The only ones that filtered searches take."""
WIDEST: dict[str, Any] = {"query_terms": FILTERED_TERMS[0], "guide_size": GUIDE_SIZE}
"""What a filtered search asks of the guide, before it knows how much the filter keeps."""


def settings_path(
    replayer: Replayer, k: int, costs: Costs, fixed: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Settings, ...]:
    """Settings from the cheapest on, each one rung above the one before in one of its numbers.

    Numbers that are `fixed` stay. Each step is the one that finds most for what it costs. Where no
    single step finds anything, the cheapest is taken, as two together may. Other queries may need
    more than what finds all for these: the last stops have all numbers one rung up at once, but the
    query terms, as more of them put a guide in another order. At the very last every cell with a
    match opens where a guide shows too little.
    """
    measured: dict[Settings, tuple[float, float]] = {}

    def found_and_spent(settings: Settings) -> tuple[float, float]:
        if settings not in measured:
            did = replayer.replay(settings, k)
            recall = np.mean([one.recall for one in did])
            spent = np.mean([costs.guided(settings, one) for one in did])
            measured[settings] = float(recall), float(spent)
        return measured[settings]

    def worth(settings: Settings, beside: Settings) -> tuple[float, float]:
        recall, spent = found_and_spent(settings)
        recall_before, spent_before = found_and_spent(beside)
        price = max(spent - spent_before, 1e-3)
        return (recall - recall_before) / price, -price

    lowest: dict[str, Any] = {name: rungs[0] for name, rungs in _RUNGS.items()}
    now = Settings(**{**lowest, **fixed})
    path = [now]
    while found_and_spent(now)[0] < _WHOLE and (steps := _steps(now, fixed)):
        worths = [worth(step, now) for step in steps]
        now = steps[max(range(len(steps)), key=worths.__getitem__)]
        path.append(now)
    for _ in range(_BEYOND):
        above = _next(path[-1], {**fixed, "query_terms": None})
        path += [replace(path[-1], **above)] if above else []
    return *path, replace(path[-1], cover=1.0)


def _steps(now: Settings, fixed: Mapping[str, Any]) -> list[Settings]:
    """The settings one rung up in one number that is not fixed."""
    return [replace(now, **{name: rung}) for name, rung in _next(now, fixed).items()]


def _next(now: Settings, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The next rung of each number that is not fixed and has one."""
    rungs = {name: rungs[rungs.index(getattr(now, name)) + 1 :] for name, rungs in _RUNGS.items()}
    return {name: above[0] for name, above in rungs.items() if above and name not in fixed}
