"""Milliseconds (p50) of choosing cells among 2,048 on one core; baseline: n Q(z) over all of them.

The figure goes from the scored guide of 1,000 documents to the list of cells, by selector and
expectation, over a shortlist. The aim is 0.3 ms.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.registry import Options
from benchmarks.synthetic import clustered
from benchmarks.timing import interleaved
from sgpd.candidates import Candidates
from sgpd.cells import CellStatistics, nearest_centroid
from sgpd.evidence import Evidence
from sgpd.guide import Guide, score_guide
from sgpd.plan import Settings, plan_cells
from sgpd.scoring import top
from sgpd.selector import FEWEST_TRACES, Selector, Shown

NAME = "plan"

_CELLS = 2_048
_K = 10
_LEAST_ROUNDS = 2_000
_SETTINGS = Settings(query_terms=32, guide_size=1_000, patience=100, open_above=0.02)
_NOISE = 0.02
"""Standard deviation of a guide's order about the exact scores."""


def run(options: Options) -> dict[str, Any]:
    """Decide for many queries in turns, pinned to one core."""
    vectors = clustered(options.size or 20_000)
    cells = nearest_centroid(vectors, vectors[:_CELLS])
    basis = np.linalg.svd(vectors[:_CELLS], full_matrices=False)[2]
    statistics = CellStatistics.measure(vectors, cells, _CELLS, basis)
    counts = statistics.counts
    rng = np.random.default_rng(0)

    def trace(query: np.ndarray[Any, np.dtype[np.float32]]) -> Shown:
        scores = vectors @ query
        noisy = scores + _NOISE * rng.standard_normal(len(scores)).astype(np.float32)
        guide = Guide(*top(np.arange(len(scores)), noisy + 1, _SETTINGS.guide_size))
        rows = guide.keys
        scored = score_guide(query, rows, vectors.__getitem__, _K, _SETTINGS.patience)
        best, _ = top(np.arange(len(scores)), scores, _K)
        evidence = Evidence.of(query, _K, guide, scored, cells[rows])
        return Shown(evidence, cells[np.setdiff1d(best, scored.keys)])

    traces = [trace(query) for query in clustered(2 * FEWEST_TRACES, seed=1)]
    selector = Selector.fit(traces, statistics, counts)
    shortlist = [len(Candidates.gather(each.evidence, statistics, counts)) for each in traces]
    turn = iter(np.arange(10**9))

    def plan() -> None:
        evidence = traces[int(next(turn)) % len(traces)].evidence
        plan_cells(evidence, statistics, counts, _SETTINGS, selector)

    def everywhere() -> None:
        evidence = traces[int(next(turn)) % len(traces)].evidence
        shares = statistics.expected_share(evidence.query, evidence.threshold)
        np.flatnonzero(shares >= _SETTINGS.open_above)

    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        rounds = max(options.rounds, _LEAST_ROUNDS)
        seconds = interleaved({"plan": plan, "everywhere": everywhere}, rounds)
    finally:
        os.sched_setaffinity(0, allowed)
    figure, baseline = (1_000 * seconds[name] for name in ("plan", "everywhere"))
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "milliseconds",
        "aim": 0.3,
        "cells": _CELLS,
        "shortlist": float(np.mean(shortlist)),
    }
