"""Calibrating: the cheapest settings that keep a recall target, by conformal risk control.

Settings form one path from cheap to thorough, chosen on some queries. On others, exchangeable with
those to come, the cheapest stop is taken whose mean loss R over n queries keeps
(n R + 1) / (n + 1) <= 1 - target: the expected recall is then at least the target (Angelopoulos et
al., Conformal Risk Control, 2022). What is reported is measured on a third part of the queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgpd.calibration import ALL, LEAST_QUERIES, Case, Measured, Promise
from sgpd.costs import Costs
from sgpd.metrics import bootstrap_interval
from sgpd.plan import Settings
from sgpd.replay import Replayed, Replayer
from sgpd.selector import FEWEST_TRACES, Selector, Shown
from sgpd.settings_path import GUIDE_SIZE

_SHOWN_TERMS = 64
_SHOWN_PATIENCES = (16, 64, 256)


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
