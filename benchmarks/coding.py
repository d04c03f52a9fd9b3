"""Milliseconds to code a query by 131,072 prototypes in two levels; baseline: by all of them.

`hnsw` is FAISS's graph over the same prototypes (M = 32, efSearch = 128). `found`: share of the 65
nearest prototypes that a way finds. One query at a time, one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import SIZES, open_corpus
from benchmarks.registry import Options
from benchmarks.timing import interleaved
from sgpd.codebook import Codebook
from sgpd.embeddings import distinct_rows
from sgpd.fit import FitSettings, sizes
from sgpd.neighbours import Neighbours
from sgpd.scoring import products

NAME = "coding"
_NEAREST = 65
_QUERIES = 300
_HNSW_LINKS, _HNSW_BEAM = 32, 128


def run(options: Options) -> dict[str, Any]:
    """Find the prototypes nearest to text queries three ways, in turns."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    distinct = distinct_rows(corpus.chips)
    book = Codebook.fit(distinct, *sizes(len(distinct), FitSettings()), 0)
    x = corpus.queries["rsicd"].vectors[:_QUERIES]
    neighbours = Neighbours(book.prototypes, book.offsets)
    graph = faiss.IndexHNSWFlat(x.shape[1], _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efSearch = _HNSW_BEAM
    graph.add(book.prototypes)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)

    def every(query: NDArray[np.float32]) -> NDArray[np.int64]:
        scores = products(book.prototypes, query)
        return np.argpartition(scores, len(scores) - _NEAREST)[-_NEAREST:]

    ways: dict[str, Callable[[NDArray[np.float32]], NDArray[np.int64]]] = {
        "two_levels": lambda query: neighbours.of_queries(query[None], _NEAREST)[0][0],
        "every": every,
        "hnsw": lambda query: graph.search(query[None], _NEAREST)[1][0],
    }
    try:
        found = {name: [set(way(query).tolist()) for query in x] for name, way in ways.items()}
        seconds = [
            interleaved({name: partial(way, query) for name, way in ways.items()}, 1)
            for _ in range(options.rounds)
            for query in x
        ]
    finally:
        faiss.omp_set_num_threads(threads)
    p50 = {name: 1000 * float(np.median([s[name] for s in seconds])) for name in ways}
    shared = {
        name: float(np.mean([len(a & b) for a, b in zip(of, found["every"], strict=True)]))
        for name, of in found.items()
    }
    return {
        "figure": p50["two_levels"],
        "baseline": p50["every"],
        "ratio": p50["two_levels"] / p50["every"],
        "unit": "milliseconds",
        "prototypes": len(book.prototypes),
        "milliseconds": p50,
        "found": {name: count / _NEAREST for name, count in shared.items()},
    }
