"""Milliseconds (p50) of an embedded guided search at 100,000 entries, encoder excluded.

Baseline: FAISS over the same vectors in RAM, IVF with as many cells, as many of them probed as
give the same recall. Memory is what a process adds that opens the archive and searches.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks import archives
from benchmarks.registry import Options
from benchmarks.synthetic import clustered
from benchmarks.timing import interleaved
from query_service.request import SearchRequest, Strategy
from query_service.search import Searcher

NAME = "search-embedded"
QUERIES = 200


def run(options: Options) -> dict[str, Any]:
    """Time guided, exhaustive and bare searches in turns, query by query."""
    count = options.size or 100_000
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        archives.make_bundle(home, count)
        generation = archives.embedded(home)
        archives.fill(generation, count)
        searcher = Searcher(archives.embedded(home), archives.no_encoder)
        queries = archives.queries(QUERIES, count)
        guided = [_search(searcher, query, "guided") for query in queries]
        exact = [_search(searcher, query, "exhaustive") for query in queries]
        recall = float(np.mean([len(g[0] & e[0]) / 10 for g, e in zip(guided, exact, strict=True)]))
        cells = len(generation.bundle.space("chip").cells)
        bare = _bare(clustered(count), cells, queries, recall)
        seconds = [
            interleaved(
                {
                    "guided": partial(_search, searcher, query, "guided"),
                    "exhaustive": partial(_search, searcher, query, "exhaustive"),
                    "bare": partial(bare, query),
                },
                options.rounds,
            )
            for query in queries
        ]
        p50 = {name: 1000 * float(np.median([s[name] for s in seconds])) for name in seconds[0]}
        return {
            "figure": p50["guided"],
            "baseline": p50["bare"],
            "ratio": p50["guided"] / p50["bare"],
            "unit": "milliseconds",
            "exhaustive": p50["exhaustive"],
            "recall_at_10": recall,
            "scanned_share": float(np.mean([scanned for _, scanned in guided])) / count,
            "entries": count,
            "cells": cells,
            "private_mib": _private_mib(home),
        }


def _search(
    searcher: Searcher, query: NDArray[np.float32], strategy: Strategy
) -> tuple[set[int], int]:
    """Keys found, and vectors scored."""
    answer = searcher.search(SearchRequest(embedding=query, strategy=strategy))
    return {hit.key for hit in answer.hits}, answer.scanned


def _bare(
    x: NDArray[np.float32], cells: int, queries: NDArray[np.float32], recall: float
) -> Callable[[NDArray[np.float32]], object]:
    """IVF in RAM with the smallest nprobe that reaches a recall@10 on the queries."""
    quantiser = faiss.IndexFlatIP(x.shape[1])
    index = faiss.IndexIVFScalarQuantizer(
        quantiser, x.shape[1], cells, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.train(x[:50_000])
    index.add(x)
    index.nprobe = cells
    truth = index.search(queries, 10)[1]
    for nprobe in range(1, cells + 1):
        index.nprobe = nprobe
        found = index.search(queries, 10)[1]
        shared = [len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True)]
        if np.mean(shared) / 10 >= recall:
            break
    return lambda query: index.search(query[None], 10)


def _private_mib(home: Path) -> float:
    """Private memory that a fresh process adds by opening the archive and searching it."""
    command = [sys.executable, "-m", "benchmarks.search_embedded", str(home)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def _measure_memory(home: Path) -> float:
    queries = archives.queries(QUERIES, 10_000)
    before = _private_bytes()
    searcher = Searcher(archives.embedded(home), archives.no_encoder)
    for query in queries:
        _search(searcher, query, "guided")
    return (_private_bytes() - before) / 2**20


def _private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))


if __name__ == "__main__":
    print(json.dumps(_measure_memory(Path(sys.argv[1]))))
