"""Share scored at a promised recall@10 of 0.99, texts, on held-out queries; baseline: everything.

All promises are calibrated and measured: by direction, k, target, kind of query and filter band.
The attributes that filters look at are synthetic (seeded dates, clouds and footprints that go with
the class). Intervals of the mean are by bootstrap over source images, at 95 % for all cells
together (Bonferroni). `missed` lists the cells whose interval lies below the target, `below` those
whose mean does.
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
from sgpd.calibration import (
    ALL,
    FILTERED_TERMS,
    GUIDE_SIZE,
    QUERY_TERMS,
    Promise,
    Queries,
    fit_selector,
    promises,
)
from sgpd.costs import Costs
from sgpd.fit import fit
from sgpd.plan import EXACT_MATCHES
from sgpd.replay import Replayer, Trace
from sgpd.retriever import Retriever

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
    cells = 2 * len(KS) * len(TARGETS) * sum(_is_guided(corpus, band) for band in BANDS)
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
    made = []
    for band in BANDS:
        if not _is_guided(corpus, band):
            continue
        rng = np.random.default_rng([7, round(1000 * band)])
        ways: list[By] = [by for by in get_args(By) if by != "cloud"] * _FILTERS_EACH
        filters = [corpus.attributes.band(by, band, rng) for by in ways] if band < 1 else [None]
        terms = FILTERED_TERMS if band < 1 else QUERY_TERMS
        traced = {
            split: Queries(
                Replayer(
                    _traces(retriever, vectors, filters, terms),
                    retriever.statistics,
                    retriever.counts,
                    selector,
                ),
                names,
                sources,
            )
            for split, (vectors, names, sources) in parts.items()
        }
        for k in KS:
            made += promises(
                direction,
                band,
                k,
                TARGETS,
                traced["fit"],
                traced["calibration"],
                traced["report"],
                Costs(),
                len(corpus.chips),
                level,
            )
    return made


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
    traces: list[Trace | None] = [None] * len(vectors)
    for first, allowed in enumerate(filters):
        rows = range(first, len(vectors), len(filters))
        found = retriever.traces(
            vectors[first :: len(filters)], max(KS) + 28, query_terms, GUIDE_SIZE, allowed
        )
        for row, traced in zip(rows, found, strict=True):
            traces[row] = traced
    return [traced for traced in traces if traced is not None]


def _rows(promise: Promise) -> list[dict[str, Any]]:
    case = promise.case
    shared = {"direction": case.direction, "k": case.k, "band": case.band, "target": case.target}
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
            **{"direction": direction, "k": k, "band": band, "target": target, "kind": "exact"},
            **{"recall": 1.0, "low": 1.0, "high": 1.0, "queries": 0, "scanned": band},
            "settings": None,
        }
        for direction in DIRECTIONS
        for band in BANDS
        if not _is_guided(corpus, band)
        for k in KS
        for target in TARGETS
    ]
