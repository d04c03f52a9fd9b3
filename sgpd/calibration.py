"""Calibration: which settings keep a recall target, by conformal risk control.

Settings form one path from cheap to thorough, chosen on some queries. On others, exchangeable with
those to come, the cheapest stop is taken whose mean loss R over n queries keeps
(n R + 1) / (n + 1) <= 1 - target: the expected recall is then at least the target (Angelopoulos et
al., Conformal Risk Control, 2022). What is reported is measured on a third part of the queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sgpd.cells import CellStatistics
from sgpd.costs import Costs
from sgpd.metrics import bootstrap_interval
from sgpd.plan import NEVER, Settings
from sgpd.replay import Replayed, Replayer
from sgpd.selector import FEWEST_TRACES, Selector, Shown

LEAST_QUERIES = 1_000
"""Calibrated on fewer, no promise is given."""
LEAST_FILTERED = 100
"""The same under one kind of filter, whose queries are alike: fewer can show no target of 0.99."""
ALL = "all"
"""Name of all kinds of queries of a direction together."""
Asked = Literal["text", "image"]
"""What a query is."""
WRITTEN: Mapping[str, Asked] = MappingProxyType({"chip": "image", "caption": "text"})
"""What an entry of a kind is, in the names of directions and as a query itself."""


def direction(asked: str | None, kind: str) -> str:
    """What is asked and the kind of entries that is searched, such as text_to_image."""
    return f"{asked or 'vector'}_to_{WRITTEN[kind]}"


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
_FILTERED = 1 - 1e-9
"""Bands below 1 are of filtered searches, whose guide is asked for before their share is known."""
_SHOWN_TERMS = 64
_SHOWN_PATIENCES = (16, 64, 256)
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
class Case:
    """What is calibrated on its own."""

    direction: str
    """text_to_image, image_to_image, image_to_text or text_to_text."""
    band: float
    """Share of the entries that the filter keeps; 1 without a filter."""
    k: int
    target: float
    filter: str = ""
    """Kind of the filter, such as time or place; '' without a filter."""


@dataclass(frozen=True)
class Measured:
    """What a kind of queries was measured to find, on the report split."""

    queries: int
    recall: float
    low: float
    high: float
    """Bounds of the interval of the mean, at 95 % if not said otherwise, by bootstrap over source
    images."""
    scanned: float
    """Mean share of the vectors scored, those of the guide included."""


@dataclass(frozen=True)
class Promise:
    """The settings of a calibrated case."""

    case: Case
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
        return self.queries >= (LEAST_FILTERED if self.case.filter else LEAST_QUERIES)

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
            Case(**value["case"]),
            Settings(**settings) if settings else None,
            value["queries"],
            value["microseconds"],
            {kind: Measured(**figures) for kind, figures in value["measured"].items()},
        )


@dataclass(frozen=True, eq=False)
class Calibration:
    """The promises of a generation, and what it looked like when they were made."""

    bundle: str
    """Digest of the bundle."""
    made: str
    """When, ISO 8601 UTC."""
    entries: Mapping[str, int]
    """Live entries by kind."""
    rows: Mapping[str, int]
    """Vectors in the segments by kind, dead ones included."""
    statistics: Mapping[str, CellStatistics]
    """Of the live vectors by kind."""
    costs: Mapping[str, Costs]
    """By kind searched."""
    promises: tuple[Promise, ...] = ()
    selectors: Mapping[str, Selector] = field(default_factory=dict)
    """By direction."""

    def covering(
        self, direction: str, selectivity: float | None, k: int, target: float, filter: str = ""
    ) -> Promise | None:
        """The promise for a search, if there is one; selectivity None: it has no filter.

        Of a k or a target that was not calibrated the next larger one holds; of a filter the band
        that keeps no more, calibrated under filters of the same kind.
        """
        asked = direction, filter
        ours = [p for p in self.promises if (p.case.direction, p.case.filter) == asked]
        ks = [p.case.k for p in ours if p.case.k >= k]
        targets = [p.case.target for p in ours if p.case.target >= target - 1e-9]
        most = 1.0 if selectivity is None else min(selectivity, _FILTERED)
        bands = [p.case.band for p in ours if p.case.band <= most]
        if not (ks and targets and bands) or (selectivity is None and max(bands) < 1):
            return None
        wanted = Case(direction, max(bands), min(ks), min(targets), filter)
        return next((p for p in ours if p.case == wanted), None)

    def keeping(self, before: Calibration | None) -> Calibration:
        """This, with the promises of an earlier one for directions that it says less of.

        Only of the same archive, bundle and rows; else this alone.
        """
        if before is None or (before.bundle, before.rows) != (self.bundle, self.rows):
            return self
        better = {p.case.direction for p in self.promises if p.is_given}
        kept = [p for p in before.promises if p.is_given and p.case.direction not in better]
        ways = {p.case.direction for p in kept}
        ours = [p for p in self.promises if p.case.direction not in ways]
        selectors = {way: one for way, one in before.selectors.items() if way in ways}
        return replace(self, promises=(*ours, *kept), selectors={**self.selectors, **selectors})

    def growth(self, kind: str, rows: int) -> float:
        """Vectors in the segments now, as a multiple of those at the time."""
        return rows / max(self.rows.get(kind, 0), 1)

    def shift(self, kind: str, cells: NDArray[np.int64]) -> float:
        """How far the vectors [C] have moved between cells: total variation distance, 0 to 1."""
        counts = self.statistics[kind].counts
        then = counts / max(int(counts.sum()), 1)
        now = cells / max(int(cells.sum()), 1)
        return float(np.abs(now - then).sum() / 2)

    def to_json(self) -> dict[str, Any]:
        """What is saved beside the statistics."""
        return {
            "bundle": self.bundle,
            "made": self.made,
            "entries": dict(self.entries),
            "rows": dict(self.rows),
            "costs": {kind: asdict(costs) for kind, costs in self.costs.items()},
            "promises": [promise.to_json() for promise in self.promises],
            "selectors": {
                direction: {name: array.tolist() for name, array in one.arrays().items()}
                for direction, one in self.selectors.items()
            },
        }

    @classmethod
    def from_json(
        cls, value: Mapping[str, Any], statistics: Mapping[str, CellStatistics]
    ) -> Calibration:
        """The calibration that `to_json` wrote."""
        return cls(
            value["bundle"],
            value["made"],
            value["entries"],
            value["rows"],
            statistics,
            {kind: Costs(**costs) for kind, costs in value["costs"].items()},
            tuple(map(Promise.from_json, value["promises"])),
            {
                direction: Selector.from_arrays(
                    {name: np.array(array, np.float32) for name, array in arrays.items()}
                )
                for direction, arrays in value["selectors"].items()
            },
        )


def fit_selector(traced: Replayer, ks: Sequence[int]) -> Selector | None:
    """The selector for traced queries, shown walks of several lengths; None for too few of them."""
    if len(traced.traces) < FEWEST_TRACES:
        return None
    shown = []
    for k in ks:
        for patience in _SHOWN_PATIENCES:
            settings = Settings(_SHOWN_TERMS, GUIDE_SIZE, patience, 1.0)
            for index in range(len(traced.traces)):
                evidence = traced.evidence(index, settings, k)
                if evidence.threshold > -np.inf:
                    shown.append(Shown(evidence, traced.missed(index, settings, k)))
    return Selector.fit(shown, traced.statistics, traced.counts)


def promises(
    cases: Sequence[Case],
    path: Sequence[Settings],
    calibration: Queries,
    report: Queries,
    costs: Costs,
    entries: int,
    level: float = 0.95,
) -> list[Promise]:
    """Calibrate cases that differ in their target alone; entries: vectors in the gallery.

    `path` is what `settings_path` found on other queries; `level` is that of the intervals of what
    is measured.

    Kinds of queries with enough of their own are calibrated on their own too, and the most
    thorough stop that any asks for is taken: a promise for a mixture would let a hard kind down.
    """
    everything = costs.vector * entries
    unproven = [Promise(case, None, len(calibration), everything) for case in cases]
    if not all(promise.is_given for promise in unproven):
        return unproven
    stops = [calibration.replayer.replay(settings, cases[0].k) for settings in path]
    recalls = np.array([[one.recall for one in stop] for stop in stops])
    kinds = [ALL, *(kind for kind in np.unique(calibration.kinds).tolist())]
    made = []
    for case in cases:
        stop = 0
        for kind in kinds:
            chosen = calibration.kinds == kind if kind != ALL else np.ones(len(calibration), bool)
            if kind == ALL or chosen.sum() >= LEAST_QUERIES:
                stop = max(stop, first_within(1 - recalls[:, chosen], 1 - case.target))
        settings = None if stop == len(path) else path[stop]
        did = [] if settings is None else report.replayer.replay(settings, case.k)
        spent = [costs.guided(path[stop], one) for one in did]
        made.append(
            Promise(
                case,
                settings,
                len(calibration),
                float(np.mean(spent)) if spent else everything,
                measure(report, did, entries, level) if did else {},
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


def measure(
    queries: Queries, did: Sequence[Replayed], entries: int, level: float = 0.95
) -> dict[str, Measured]:
    """What the kinds of queries found, and of all together."""
    recalls = np.array([one.recall for one in did])
    scanned = np.array([one.read + one.scanned for one in did]) / max(entries, 1)
    found = {}
    for kind in (ALL, *np.unique(queries.kinds).tolist()):
        chosen = queries.kinds == kind if kind != ALL else np.ones(len(queries), bool)
        low, high = bootstrap_interval(recalls[chosen], queries.groups[chosen], level)
        found[kind] = Measured(
            int(chosen.sum()),
            float(recalls[chosen].mean()),
            low,
            high,
            float(scanned[chosen].mean()),
        )
    return found


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
