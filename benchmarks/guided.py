"""The guided ways of searching, replayed on queries whose guides and truth are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.asked import Asked, K
from benchmarks.coded import Coded
from benchmarks.paths import Path
from sgpd.cells import CellStatistics
from sgpd.evidence import Evidence
from sgpd.guide import walk_guide
from sgpd.perceptron import Perceptron
from sgpd.plan import Rule, weigh_cells
from sgpd.selector import Selector, Shown

PATIENCE = tuple(sorted({*range(16, 64, 4), *range(64, 160, 8), 160, 180, 200, 250, 300, 400, 600}))
_TRAINED_AT = (20, 50, 150)
"""Patience at which the queries of the fit are traced."""
_BARS = np.geomspace(1, 1e-5, 41)
_NOTHING = np.empty(0, np.int64)
_NEAREST = 256
"""Cells that a choice by centroid alone looks at."""


@dataclass(frozen=True, eq=False)
class Opening:
    """Cells of one query in order of a rule, and what was read before."""

    shares: NDArray[np.floating]
    """Shape [s]: what the rule expects of each cell a vector, falling."""
    cells: NDArray[np.integer]
    """Shape [s]."""
    read: NDArray[np.int64]
    """Rows of the guide that were scored."""


def selector_of(coded: Coded, asked: Sequence[Asked], seed: int = 0) -> Selector:
    """Fit the selector to the traces of queries of all kinds."""
    traces = [
        Shown(evidence, coded.cells[np.setdiff1d(one.truth[i], read)])
        for one in asked
        for patience in _TRAINED_AT
        for i, (evidence, read) in enumerate(_evidence(coded, one, patience))
        if evidence.threshold > -np.inf
    ]
    return Selector.fit(traces, coded.space.cells.prior, coded.counts, seed)


def ours(coded: Coded, asked: Asked, selector: Selector) -> dict[Rule, Path]:
    """Guide with patience, then cells by each rule."""
    counts, statistics = coded.counts, coded.space.cells.prior
    parts: dict[Rule, list[Path]] = {"both": [], "expectation": [], "model": []}
    for patience in PATIENCE:
        openings: dict[Rule, list[Opening]] = {rule: [] for rule in parts}
        for evidence, read in _evidence(coded, asked, patience):
            if evidence.is_short:
                for opened in openings.values():
                    opened.append(_everything(counts, read))
                continue
            weighed = weigh_cells(evidence, statistics, counts, "both", selector)
            assert weighed.learned is not None
            candidates, learned = weighed.candidates, weighed.learned
            expected = {
                "both": weighed.expected,
                "expectation": candidates.normal,
                "model": learned,
            }
            for rule, opened in openings.items():
                opened.append(_ordered(expected[rule] / candidates.vectors, candidates.cells, read))
        bars = [np.inf, *_BARS.tolist()]
        for rule, opened in openings.items():
            parts[rule].append(_path(coded, asked, opened, bars, f"patience {patience}, bar "))
    return {rule: Path.join(paths) for rule, paths in parts.items()}


def reliability(
    coded: Coded, asked: Asked, selector: Selector, patience: int
) -> dict[Rule, list[tuple[float, float, int]]]:
    """By each rule, bins of cells: mean of expected and of true missed hits, and how many cells."""
    expected: dict[Rule, list[NDArray[np.floating]]] = {"both": [], "expectation": [], "model": []}
    missed = []
    for i, (evidence, read) in enumerate(_evidence(coded, asked, patience)):
        if evidence.is_short:
            continue
        weighed = weigh_cells(evidence, coded.space.cells.prior, coded.counts, "both", selector)
        cells = coded.cells[np.setdiff1d(asked.truth[i], read)]
        missed.append(np.bincount(cells, minlength=len(coded.counts))[weighed.candidates.cells])
        expected["both"].append(weighed.expected)
        expected["expectation"].append(weighed.candidates.normal)
        assert weighed.learned is not None
        expected["model"].append(weighed.learned)
    true = np.concatenate(missed)
    return {rule: _bins(np.concatenate(parts), true) for rule, parts in expected.items()}


def _bins(
    expected: NDArray[np.floating], true: NDArray[np.integer]
) -> list[tuple[float, float, int]]:
    member = np.digitize(expected, np.geomspace(1e-4, 10, 16))
    return [
        (float(expected[rows].mean()), float(true[rows].mean()), len(rows))
        for bin in range(17)
        if len(rows := np.flatnonzero(member == bin)) >= 50
    ]


def guide_only(coded: Coded, asked: Asked) -> Path:
    """The guide with patience, no cells."""
    paths = []
    for patience in PATIENCE:
        opened = [
            Opening(np.empty(0), _NOTHING, read) for _, read in _evidence(coded, asked, patience)
        ]
        paths.append(_path(coded, asked, opened, [np.inf], f"patience {patience}, bar "))
    return Path.join(paths)


def overlap(coded: Coded, asked: Asked) -> Path:
    """Cells by their share of the guide's sparse mass, a vector; nothing is scored before."""
    counts = coded.counts
    openings = []
    for rows, sparse in zip(asked.guide, asked.sparse, strict=True):
        there = rows >= 0
        mass = np.bincount(coded.cells[rows[there]], sparse[there], len(counts))
        cells = np.flatnonzero(mass)
        openings.append(_ordered(mass[cells] / mass.sum() / counts[cells], cells, _NOTHING))
    bars = np.quantile(np.concatenate([o.shares for o in openings]), np.linspace(0, 1, 100))
    return _path(coded, asked, openings, bars.tolist(), "bar ")


def centroid_model(coded: Coded, asked: Sequence[Asked]) -> Perceptron:
    """A model of the hits of a cell from what is known without a guide."""
    features, targets = [], []
    for one in asked:
        for i, (cells, x) in enumerate(_by_centroid(coded, one)):
            hits = np.bincount(coded.cells[one.truth[i]], minlength=len(coded.counts))
            features.append(x)
            targets.append(hits[cells] / K)
    return Perceptron.fit(np.concatenate(features), np.concatenate(targets), 0)


def by_centroid(coded: Coded, asked: Asked, model: Perceptron) -> Path:
    """Cells by what the model expects of them; nothing is scored before."""
    openings = []
    for cells, x in _by_centroid(coded, asked):
        openings.append(_ordered(K * model(x) / coded.counts[cells], cells, _NOTHING))
    bars = np.geomspace(1, 1e-7, 120).tolist()
    return _path(coded, asked, openings, bars, "bar ")


def oracle(coded: Coded, asked: Asked, target: float) -> dict[str, float]:
    """Only cells that hold hits, the richest of all queries first."""
    counts = coded.counts
    hits, scanned = [], []
    for rows in asked.truth:
        cells, found = np.unique(coded.cells[rows], return_counts=True)
        hits.append(found)
        scanned.append(counts[cells])
    found, cost = np.concatenate(hits), np.concatenate(scanned)
    order = np.argsort(-found / cost, kind="stable")
    recall = np.cumsum(found[order]) / asked.truth.size
    enough = int(np.searchsorted(recall, target - 1e-9))
    scored = 100 * float(cost[order[: enough + 1]].sum()) / len(asked) / len(coded.cells)
    return {"scored": scored, "recall": float(recall[enough])}


def _evidence(
    coded: Coded, asked: Asked, patience: int
) -> Iterator[tuple[Evidence, NDArray[np.int64]]]:
    """What each query's guide shows when it is scored so far, and the rows that were read."""
    for query, rows, sparse, known in zip(
        asked.queries, asked.guide, asked.sparse, asked.exact, strict=True
    ):
        size = int(np.count_nonzero(rows >= 0))
        rows, known = rows[:size], known[:size]
        walked = walk_guide(rows, _known(known), K, patience)
        exact = np.full(size, -np.inf, np.float32)
        exact[: len(walked)] = walked
        best = np.sort(walked)[::-1]
        threshold = float(best[K - 1]) if len(best) >= K else -np.inf
        evidence = Evidence(query, K, threshold, coded.cells[rows], sparse[:size], exact)
        yield evidence, rows[: len(walked)]


def _everything(counts: NDArray[np.int64], read: NDArray[np.int64]) -> Opening:
    cells = np.flatnonzero(counts)
    return Opening(np.full(len(cells), np.inf), cells, read)


def _ordered(
    shares: NDArray[np.floating], cells: NDArray[np.integer], read: NDArray[np.int64]
) -> Opening:
    order = np.argsort(-shares, kind="stable")
    return Opening(shares[order], cells[order], read)


def _known(scores: NDArray[np.float32]) -> Callable[[slice], NDArray[np.float32]]:
    return lambda part: scores[part]


def _by_centroid(
    coded: Coded, asked: Asked
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    statistics: CellStatistics = coded.space.cells.prior
    for query in asked.queries:
        means = statistics.mean_scores(query)
        cells = np.argsort(-means, kind="stable")[:_NEAREST]
        cells = cells[coded.counts[cells] > 0]
        mean, length = means[cells], statistics.lengths[cells]
        deviation = statistics.deviations(query, cells)
        columns = [
            mean,
            mean[0] - mean,
            mean / length,
            length,
            deviation,
            np.log1p(np.arange(len(cells))),
            np.log1p(coded.counts[cells]),
            np.full(len(cells), mean[:16].mean()),
        ]
        yield cells, np.stack(columns, axis=1).astype(np.float32)


def _path(
    coded: Coded, asked: Asked, openings: Sequence[Opening], bars: Sequence[float], name: str
) -> Path:
    """Open cells whose share reaches each of the bars."""
    counts = coded.counts
    settings = [f"{name}{bar:.3g}" for bar in bars]
    shape = (len(bars), len(openings))
    recall, by_image, scored = (np.empty(shape, np.float32) for _ in range(3))
    for i, opening in enumerate(openings):
        # Cells that each bar opens, all of them at the front of the order.
        opened = np.searchsorted(-opening.shares, -np.asarray(bars), side="right")
        read = np.bincount(coded.cells[opening.read], minlength=len(counts))
        fresh = np.cumsum(np.append(0, counts[opening.cells] - read[opening.cells]))
        scored[:, i] = len(opening.read) + fresh[opened]
        rank = np.full(len(counts), len(counts))
        rank[opening.cells] = np.arange(len(opening.cells))
        for rows, out in ((asked.truth[i], recall), (asked.by_image[i], by_image)):
            found = np.isin(rows, opening.read)[None] | (rank[coded.cells[rows]] < opened[:, None])
            out[:, i] = found.mean(axis=1)
    return Path(settings, recall, by_image, scored)
