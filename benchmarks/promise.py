"""Share scored at a promised recall@10 of 0.99, texts, on held-out queries; baseline: everything.

All promises are calibrated and measured: by direction, k, target, kind of query, filter band and
kind of filter. The attributes that filters look at are synthetic (seeded dates, clouds and
footprints that go with the class; `collection` keeps whole classes). Intervals of the mean are by
bootstrap over source images, at 95 % for all cells together (Bonferroni). `missed` lists the cells
whose interval lies below the target, `below` those whose mean does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.attributes import By
from benchmarks.corpus import SIZES, Corpus, open_corpus
from benchmarks.corpus import Queries as Asked
from benchmarks.registry import Options
from sgpd.calibrating import Queries, fit_selector, promises
from sgpd.calibration import ALL, Case, Promise
from sgpd.costs import Costs
from sgpd.fit import fit
from sgpd.plan import EXACT_MATCHES
from sgpd.replay import Replayer, Trace
from sgpd.retriever import Retriever
from sgpd.settings_path import FILTERED_TERMS, GUIDE_SIZE, QUERY_TERMS, WIDEST, settings_path
from sgpd.tracing import in_turns

NAME = "promise"
KS = (1, 10, 100)
TARGETS = (0.95, 0.99)
BANDS = (1.0, 0.5, 0.1, 0.01, 0.001)
DIRECTIONS = {"text_to_image": ("rsicd", "caption", "template"), "image_to_image": ("image",)}
_MOST = {"fit": 300, "calibration": 1_500, "report": 1_500}
_FILTERS_EACH = 3
_LEVEL = 0.95


def run(options: Options) -> dict[str, Any]:
    """Calibrate on one part of the queries, measure on another."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    space = fit(corpus.chips, corpus.encoder, captions=corpus.captions).space("chip")
    retriever = Retriever(space, corpus.chips)
    started = time.perf_counter()
    made: list[Promise] = []
    guided = [band for band in BANDS if _is_guided(corpus, band)]
    filters = sum(len(get_args(By)) if band < 1 else 1 for band in guided)
    cells = len(DIRECTIONS) * len(KS) * len(TARGETS) * filters
    for direction, kinds in DIRECTIONS.items():
        made += promises_of(corpus, retriever, direction, kinds, 1 - (1 - _LEVEL) / cells)
    table = [row for promise in made for row in _rows(promise)]
    table += _exact_rows(corpus)
    wanted = {"direction": "text_to_image", "k": 10, "kind": ALL, "band": 1.0, "target": 0.99}
    figure = next(100 * r["scanned"] for r in table if wanted.items() <= r.items())
    calibrated = [row for row in table if row["kind"] == ALL]
    return {
        "figure": figure,
        "baseline": 100.0,
        "ratio": figure / 100,
        "unit": "percent of the gallery scored for recall@10 = 0.99, texts",
        "entries": len(corpus.chips),
        "attributes": "synthetic",
        "seconds": time.perf_counter() - started,
        "missed": [row for row in calibrated if row["high"] < row["target"]],
        "below": [row for row in calibrated if row["recall"] < row["target"]],
        "promises": table,
    }


def _is_guided(corpus: Corpus, band: float) -> bool:
    return band == 1 or band * len(corpus.chips) > EXACT_MATCHES


def promises_of(
    corpus: Corpus, retriever: Retriever, direction: str, kinds: Sequence[str], level: float
) -> list[Promise]:
    """The promises of a direction, their intervals at the given level."""
    parts = {split: _of_split(corpus, kinds, split) for split in _MOST}
    unaided = Replayer(
        _traces(retriever, parts["fit"][0], [None]), retriever.statistics, retriever.counts
    )
    selector = fit_selector(unaided, KS)

    def replayer(traces: Sequence[Trace]) -> Replayer:
        return Replayer(traces, retriever.statistics, retriever.counts, selector)

    made = []
    for band in BANDS:
        if not _is_guided(corpus, band):
            continue
        kinds_of_filters = _filters(corpus, band)
        terms = FILTERED_TERMS if band < 1 else QUERY_TERMS
        fitting: list[Trace] = []
        asked: dict[str, list[Queries]] = {}
        for number, (name, filters) in enumerate(kinds_of_filters.items()):
            ours = slice(number, None, len(kinds_of_filters))
            fitting += _traces(retriever, parts["fit"][0][ours], filters, terms)
            asked[name] = [
                Queries(replayer(_traces(retriever, vectors, filters, terms)), names, sources)
                for vectors, names, sources in (parts["calibration"], parts["report"])
            ]
        for k in KS:
            fixed = WIDEST if band < 1 else {}
            path = settings_path(replayer(fitting), k, Costs(), fixed)
            for name, (calibrating, reported) in asked.items():
                cases = [Case(direction, band, k, target, name) for target in TARGETS]
                made += promises(
                    cases, path, calibrating, reported, Costs(), len(corpus.chips), level
                )
    return made


def _filters(corpus: Corpus, band: float) -> dict[str, list[NDArray[np.bool_] | None]]:
    """Filters of a band by kind; without a filter the kind is ''."""
    if band == 1:
        return {"": [None]}
    rng = np.random.default_rng([7, round(1000 * band)])
    return {
        by: [corpus.attributes.band(by, band, rng) for _ in range(_FILTERS_EACH)]
        for by in get_args(By)
    }


def _of_split(
    corpus: Corpus, kinds: Sequence[str], split: Any
) -> tuple[NDArray[np.float32], NDArray[np.str_], NDArray[np.str_]]:
    """Vectors, kinds and sources of a split's queries, at most so many of each kind."""
    parts: list[tuple[str, Asked]] = [(kind, corpus.queries[kind].part(split)) for kind in kinds]
    most = _MOST[split]
    return (
        np.concatenate([part.vectors[:most] for _, part in parts]),
        np.concatenate([np.full(len(part.vectors[:most]), kind) for kind, part in parts]),
        np.concatenate([part.source[:most] for _, part in parts]).astype(np.str_),
    )


def _traces(
    retriever: Retriever,
    vectors: NDArray[np.float32],
    filters: Sequence[NDArray[np.bool_] | None],
    query_terms: Sequence[int] = QUERY_TERMS,
) -> list[Trace]:
    """Queries traced under filters that take turns."""

    def look(rows: NDArray[np.int64], allowed: NDArray[np.bool_] | None) -> list[Trace]:
        depth = max(KS) + 28
        return retriever.traces(vectors[rows], depth, query_terms, GUIDE_SIZE, allowed)

    return in_turns(len(vectors), filters, look)


def _rows(promise: Promise) -> list[dict[str, Any]]:
    case = promise.case
    shared = vars(case)
    if not promise.measured:
        everything = {"recall": 1.0, "low": 1.0, "high": 1.0, "queries": 0, "scanned": 1.0}
        return [{**shared, "kind": ALL, **everything, "settings": None}]
    return [
        {**shared, "kind": kind, **vars(measured), "settings": vars(promise.settings)}
        for kind, measured in promise.measured.items()
    ]


def _exact_rows(corpus: Corpus) -> list[dict[str, Any]]:
    """Bands in which all matches are scored: exact by construction, nothing is calibrated."""
    return [
        {
            **vars(Case(direction, band, k, target, "any")),
            "kind": "exact",
            **{"recall": 1.0, "low": 1.0, "high": 1.0, "queries": 0, "scanned": band},
            "settings": None,
        }
        for direction in DIRECTIONS
        for band in BANDS
        if not _is_guided(corpus, band)
        for k in KS
        for target in TARGETS
    ]
