"""Calibration: which settings keep a recall target, by conformal risk control.

Settings form one path from cheap to thorough, chosen on some queries. On others, exchangeable with
those to come, the cheapest stop is taken whose mean loss R over n queries keeps
(n R + 1) / (n + 1) <= 1 - target: the expected recall is then at least the target (Angelopoulos et
al., Conformal Risk Control, 2022). What is reported is measured on a third part of the queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.costs import Costs
from sgpd.metrics import bootstrap_interval
from sgpd.plan import Settings
from sgpd.replay import Replayed, Replayer

LEAST_QUERIES = 1_000
"""Calibrated on fewer, no promise is given."""
ALL = "all"
"""Name of all kinds of queries of a direction together."""

_RUNGS: Mapping[str, tuple[float, ...]] = {
    "query_terms": (16, 32),
    "guide_size": (112, 208, 400, 1_008),
    "patience": (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1_008),
    "open_above": (
        2.0,
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
}
"""Above 1, cells open only where the guide is shorter than k."""
_WHOLE = 0.9995
"""Mean recall at which a path ends: what is beyond costs more than scanning everything."""
QUERY_TERMS = tuple(int(rung) for rung in _RUNGS["query_terms"])
GUIDE_SIZE = int(_RUNGS["guide_size"][-1])
"""The largest: traces have guides of so many documents."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Traced queries of one direction and filter band, and what they are."""

    replayer: Replayer
    kinds: NDArray[np.str_]
    """Shape [n]: caption, template, crop, ..."""
    groups: NDArray[np.str_]
    """Shape [n]: the source image or scene that each is of."""

    def __len__(self) -> int:
        return len(self.kinds)


@dataclass(frozen=True)
class Cell:
    """What is calibrated on its own."""

    direction: str
    """text_to_image, image_to_image, image_to_text or text_to_text."""
    band: float
    """Share of the entries that the filter keeps; 1 without a filter."""
    k: int
    target: float


@dataclass(frozen=True)
class Measured:
    """What a kind of queries was measured to find, on the report split."""

    queries: int
    recall: float
    low: float
    high: float
    """Bounds of the 95 % interval of the mean, by bootstrap over source images."""
    scanned: float
    """Mean share of the vectors scored, those of the guide included."""


@dataclass(frozen=True)
class Promise:
    """The settings of a calibrated cell."""

    cell: Cell
    settings: Settings | None
    """None: everything is scanned, as nothing cheaper can be shown to keep the target."""
    queries: int
    """Queries that it was calibrated on."""
    microseconds: float
    """Mean cost of a search."""
    measured: Mapping[str, Measured] = field(default_factory=dict)
    """By kind of query, and of all together."""

    @property
    def is_given(self) -> bool:
        """Whether enough queries stand behind it."""
        return self.queries >= LEAST_QUERIES

    @property
    def recall(self) -> float:
        """What a search is expected to find of the true top k."""
        return self.measured[ALL].recall if self.settings and ALL in self.measured else 1.0

    def to_json(self) -> dict[str, Any]:
        """What is saved."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Promise:
        """The promise that `to_json` wrote."""
        settings = value["settings"]
        return cls(
            Cell(**value["cell"]),
            Settings(**settings) if settings else None,
            value["queries"],
            value["microseconds"],
            {kind: Measured(**figures) for kind, figures in value["measured"].items()},
        )


def promises(
    direction: str,
    band: float,
    k: int,
    targets: Sequence[float],
    fit: Queries,
    calibration: Queries,
    report: Queries,
    costs: Costs,
    entries: int,
) -> list[Promise]:
    """Calibrate one direction, band and k for all targets; entries: vectors in the gallery.

    Kinds of queries with enough of their own are calibrated on their own too, and the most
    thorough stop that any asks for is taken: a promise for a mixture would let a hard kind down.
    """
    path = settings_path(fit.replayer, k, costs)
    stops = [calibration.replayer.replay(settings, k) for settings in path]
    recalls = np.array([[one.recall for one in stop] for stop in stops])
    kinds = [ALL, *(kind for kind in np.unique(calibration.kinds).tolist())]
    made = []
    for target in targets:
        stop = 0
        for kind in kinds:
            chosen = calibration.kinds == kind if kind != ALL else np.ones(len(calibration), bool)
            if kind == ALL or chosen.sum() >= LEAST_QUERIES:
                stop = max(stop, first_within(1 - recalls[:, chosen], 1 - target))
        cell = Cell(direction, band, k, target)
        safe = len(calibration) < LEAST_QUERIES or stop == len(path)
        settings = None if safe else path[stop]
        did = [] if settings is None else report.replayer.replay(settings, k)
        spent = [costs.guided(path[stop], one) for one in did]
        made.append(
            Promise(
                cell,
                settings,
                len(calibration),
                float(np.mean(spent)) if spent else costs.vector * entries,
                measure(report, did, entries) if did else {},
            )
        )
    return made


def first_within(losses: NDArray[np.floating], risk: float) -> int:
    """The first stop whose risk is kept, for losses [stops, n]; `stops` where none is.

    A query's loss at a stop is taken as the largest of it and all later stops: the method asks for
    losses that never grow along the path.
    """
    count = losses.shape[1]
    worst = np.maximum.accumulate(losses[::-1], axis=0)[::-1]
    within = (worst.sum(axis=1) + 1) / (count + 1) <= risk + 1e-12
    return int(np.argmax(within)) if within.any() else len(losses)


def measure(queries: Queries, did: Sequence[Replayed], entries: int) -> dict[str, Measured]:
    """What the kinds of queries found, and of all together."""
    recalls = np.array([one.recall for one in did])
    scanned = np.array([one.read + one.scanned for one in did]) / max(entries, 1)
    found = {}
    for kind in (ALL, *np.unique(queries.kinds).tolist()):
        chosen = queries.kinds == kind if kind != ALL else np.ones(len(queries), bool)
        low, high = bootstrap_interval(recalls[chosen], queries.groups[chosen])
        found[kind] = Measured(
            int(chosen.sum()),
            float(recalls[chosen].mean()),
            low,
            high,
            float(scanned[chosen].mean()),
        )
    return found


def settings_path(replayer: Replayer, k: int, costs: Costs) -> tuple[Settings, ...]:
    """Settings from the cheapest on, each one rung above the one before in one of its numbers.

    Each step is the one that finds most for what it costs. Where no single step finds anything, the
    cheapest is taken, as two together may.
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

    now = Settings(**{name: rungs[0] for name, rungs in _RUNGS.items()})  # type: ignore[arg-type]
    path = [now]
    while found_and_spent(now)[0] < _WHOLE and (steps := _steps(now)):
        worths = [worth(step, now) for step in steps]
        now = steps[max(range(len(steps)), key=worths.__getitem__)]
        path.append(now)
    return tuple(path)


def _steps(now: Settings) -> list[Settings]:
    """The settings one rung up in one number."""
    steps = []
    for name, rungs in _RUNGS.items():
        above = rungs.index(getattr(now, name)) + 1
        if above < len(rungs):
            steps.append(replace(now, **{name: rungs[above]}))  # type: ignore[arg-type]
    return steps
