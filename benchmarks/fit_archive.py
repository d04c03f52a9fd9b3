"""Seconds to fit all there is for 300,000 chips, step by step; baseline: bare coarse k-means.

The steps: the bundle as `scenesift fit` makes it (captions of UC Merced name the terms), the codes
of all chips, a selector, and the calibration of both directions as in `promise`, with every k,
target and filter band (which fits its selectors anew). The peak is of the whole process, corpus and
libraries included.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss

from benchmarks.corpus import SIZES, open_corpus
from benchmarks.promise import DIRECTIONS, KS, promises_of
from benchmarks.registry import Options
from sgpd.calibrating import fit_selector
from sgpd.fit import FitSettings, fit, sizes
from sgpd.replay import Replayer
from sgpd.retriever import Retriever
from sgpd.settings_path import GUIDE_SIZE, QUERY_TERMS

NAME = "fit-archive"
_SELECTOR_QUERIES = 300
_MEASURED_AT = 0.95


def run(options: Options) -> dict[str, Any]:
    """Fit everything once, each step timed."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    loaded = _peak_gib()
    steps: dict[str, float] = {}

    def note(line: str) -> None:
        step, _, seconds = line.rpartition(": ")
        if seconds.endswith(" s"):
            steps[step] = float(seconds.removesuffix(" s"))

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        steps[step] = time.perf_counter() - started

    space = fit(corpus.chips, corpus.encoder, captions=corpus.captions, progress=note).space("chip")
    with timed("codes"):
        retriever = Retriever(space, corpus.chips)
    with timed("selector"):
        x = corpus.queries["rsicd"].part("fit").vectors[:_SELECTOR_QUERIES]
        traces = retriever.traces(x, max(KS), QUERY_TERMS, GUIDE_SIZE)
        fit_selector(Replayer(traces, retriever.statistics, retriever.counts), KS)
    for direction, kinds in DIRECTIONS.items():
        with timed(f"calibration {direction}"):
            promises_of(corpus, retriever, direction, kinds, _MEASURED_AT)
    peak = _peak_gib()
    started = time.perf_counter()
    cells = sizes(len(corpus.chips), FitSettings())[0]
    faiss.Kmeans(corpus.chips.shape[1], cells, niter=20, spherical=True).train(corpus.chips)
    bare = time.perf_counter() - started
    return {
        "figure": sum(steps.values()),
        "baseline": bare,
        "ratio": sum(steps.values()) / bare,
        "unit": "seconds",
        "entries": len(corpus.chips),
        "steps": steps,
        "peak_gib": peak,
        "peak_gib_before": loaded,
    }


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
