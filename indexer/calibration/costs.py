"""Costs measured on the archive itself: what plans are compared by."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indexer.calibration.gallery import Gallery
from scenestore.filters import ANY
from scenestore.generation import Generation
from sgpd.costs import Costs
from sgpd.scoring import exact_scores
from sgpd.settings_path import QUERY_TERMS

_QUERIES = 15
_READ = 512
_LISTED = 2_000
_FEW, _MANY = 112, 1_008
"""Guide sizes that are compared."""
_FEW_TERMS, _MANY_TERMS = QUERY_TERMS[0], QUERY_TERMS[-1]


def measure_costs(generation: Generation, gallery: Gallery, queries: NDArray[np.float32]) -> Costs:
    """Median microseconds over some of the queries [n, d]; every part is run once before."""
    documents, kind, segments = generation.documents, gallery.kind, gallery.segments
    live = gallery.keys[gallery.is_live]
    sparsifier = generation.bundle.space(kind).sparsifier
    asked = queries[:_QUERIES]
    codes = {terms: sparsifier.encode_queries(asked, terms) for terms in (_FEW_TERMS, _MANY_TERMS)}

    def guide(terms: int, size: int) -> float:
        return _median(lambda i: documents.guide(kind, *codes[terms].row(i), size, ANY), len(asked))

    drawn = np.random.default_rng(0).choice(live, min(_READ, len(live)), replace=False)
    full = np.flatnonzero(segments.counts)
    some = {count: full[:: max(len(full) // count, 1)][:count].tolist() for count in (1, 32)}
    vectors = {count: int(segments.counts[cells].sum()) for count, cells in some.items()}
    everything = int(segments.counts.sum())

    def scan(cells: list[int], size: int = 20) -> float:
        within = int(segments.counts[cells].sum())
        return _median(lambda i: segments.scan(asked[i], cells, min(size, within)), len(asked))

    base, more_terms = guide(_FEW_TERMS, _FEW), guide(_MANY_TERMS, _FEW)
    more_hits = guide(_MANY_TERMS, _MANY)
    read = _median(lambda i: exact_scores(asked[i], segments.vectors(drawn)), len(asked))
    listed = _median(lambda i: documents.keys(kind, ANY, _LISTED), 3)
    whole = scan(full.tolist())
    several, single = scan(some[32]), scan(some[1])
    vector = max(whole - several, 0.0) / max(everything - vectors[32], 1)
    more = max(several - single - vector * (vectors[32] - vectors[1]), 0.0)
    opened = more / max(len(some[32]) - len(some[1]), 1)
    term = max(more_terms - base, 0.0) / (_MANY_TERMS - _FEW_TERMS)
    hit = max(more_hits - more_terms, 0.0) / (_MANY - _FEW)
    return Costs(
        request=max(base - _FEW_TERMS * term - _FEW * hit, 0.0),
        term=term,
        hit=hit,
        read=read / len(drawn),
        cell=max(opened, 0.1),
        vector=max(vector, 1e-3),
        match=listed / min(_LISTED, len(live)),
    )


def _median(run: Callable[[int], object], turns: int) -> float:
    """Median microseconds of run(0), run(1), ..."""
    run(0)
    spent = []
    for turn in range(turns):
        started = time.perf_counter()
        run(turn)
        spent.append(1e6 * (time.perf_counter() - started))
    return statistics.median(spent)
