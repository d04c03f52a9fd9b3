"""Milliseconds (p95) of guided searches while another process compacts; baseline: without.

The archive begins as batches alone, so that every tier is merged, and the searches change over to
each new segment. They go on before, during and after.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import archives
from benchmarks.registry import Options
from query_service.request import SearchRequest
from query_service.search import Searcher
from scenestore.compaction import collect_garbage, compact

NAME = "compaction"
_SECONDS = 1.5
"""Of searching before, and after: each about as long as compacting takes."""
_LEAST_ROUNDS = 10
"""Of a second or two: a busy moment of the machine must not decide."""


def run(options: Options) -> dict[str, Any]:
    """Search all the time, and compact amid it, each round a copy of the same archive."""
    count = options.size or 64_000
    before: list[float] = []
    amid: list[float] = []
    after: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        archives.make_bundle(home, count)
        archives.fill(archives.embedded(home), count, compacted=False)
        for number in range(max(options.rounds, _LEAST_ROUNDS)):
            copy = shutil.copytree(home, Path(scratch) / f"copy-{number}")
            generation = archives.embedded(copy)
            searcher = Searcher(generation, archives.no_encoder)
            queries = _in_turns(archives.queries(200, count))
            _spent(searcher, queries, 1.0)  # warm
            many = len(list(generation.reader.segments("chip")))
            before += _spent(searcher, queries, _SECONDS)
            command = [sys.executable, "-m", "benchmarks.compaction", str(copy)]
            with subprocess.Popen(command) as compacting:
                amid += _spent(searcher, queries, lambda: compacting.poll() is None)
            if compacting.returncode:
                raise SystemExit("compaction failed")
            after += _spent(searcher, queries, _SECONDS)
            few = len(list(generation.reader.segments("chip")))
    figure, baseline = _p95(amid), _p95([*before, *after])
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "milliseconds",
        "p50": {
            "during": 1000 * float(np.median(amid)),
            "before": 1000 * float(np.median(before)),
            "after": 1000 * float(np.median(after)),
        },
        "p95": {"before": _p95(before), "after": _p95(after)},
        "searches": {"during": len(amid), "without": len(before) + len(after)},
        "segments": {"before": many, "after": few},
        "entries": count,
    }


def _p95(seconds: list[float]) -> float:
    return 1000 * float(np.percentile(seconds, 95))


def _in_turns(queries: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    while True:
        yield from queries


def _spent(
    searcher: Searcher, queries: Iterator[NDArray[np.float32]], until: float | Callable[[], bool]
) -> list[float]:
    """Seconds of each search, for so many seconds or as long as something holds."""
    end = time.perf_counter() + until if isinstance(until, float) else None
    goes_on = until if callable(until) else lambda: time.perf_counter() < (end or 0)
    spent = []
    while goes_on():
        query = next(queries)
        started = time.perf_counter()
        searcher.search(SearchRequest(embedding=query, strategy="guided"))
        spent.append(time.perf_counter() - started)
    return spent


def _compact(home: Path) -> None:
    generation = archives.embedded(home)
    while compact(generation):
        pass
    collect_garbage(generation)


if __name__ == "__main__":
    _compact(Path(sys.argv[1]))
