"""Milliseconds (p50) of a guided search over segments in a bucket, its cells in the cache.

Baseline: the same searches over the same segments in a folder. `cold` is with no cell in the cache,
with the bytes and requests that it took; the segments' small arrays are there in all cases. The
bucket is on a server of this machine: a real one adds its latency to each round of requests.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import archives
from benchmarks.registry import Options
from benchmarks.timing import interleaved
from query_service.answer import Answer
from query_service.request import SearchRequest
from query_service.search import Searcher
from scenestore.generation import Generation
from scenestore.reader import SegmentReader
from scenestore.store import Store
from tests.s3_server import KEYS, s3_server

NAME = "object-store"
QUERIES = 100


def run(options: Options) -> dict[str, Any]:
    """Fill an archive in a folder, copy it into a bucket, and search both in turns."""
    count = options.size or 100_000
    os.environ.update(KEYS)
    with tempfile.TemporaryDirectory() as scratch, s3_server() as server:
        home, bucket, cache = Path(scratch) / "home", server.bucket(), Path(scratch) / "cache"
        archives.make_bundle(home, count)
        here = archives.embedded(home)
        archives.fill(here, count)
        _copy(here.store, server.store(bucket, Path(scratch) / "cache of the writer"))
        reader = SegmentReader(here.bundle, here.log, server.store(bucket, cache))
        local = Searcher(here, archives.no_encoder)
        remote = Searcher(Generation(reader, here.documents), archives.no_encoder)
        queries = archives.queries(QUERIES, count)
        for searcher in (local, remote):
            _search(searcher, queries[0])
        reads: dict[str, list[Answer]] = {"cold": [], "warm": []}
        seconds = []
        for query in queries:
            _forget_cells(cache)
            arms: dict[str, Callable[[], object]] = {
                "cold": partial(_kept, reads["cold"], remote, query),
                "warm": partial(_kept, reads["warm"], remote, query),
                "local": partial(_search, local, query),
            }
            seconds.append(interleaved(arms, 1))
    p50 = {name: 1000 * float(np.median([s[name] for s in seconds])) for name in seconds[0]}
    cold = [answer.reads for answer in reads["cold"]]
    return {
        "figure": p50["warm"],
        "baseline": p50["local"],
        "ratio": p50["warm"] / p50["local"],
        "unit": "milliseconds",
        "cold": p50["cold"],
        "cold_bytes": float(np.mean([one.bytes for one in cold])),
        "cold_requests": float(np.mean([one.requests for one in cold])),
        "warm_requests": float(np.mean([answer.reads.requests for answer in reads["warm"]])),
        "scored": float(np.mean([answer.scanned for answer in reads["cold"]])),
        "by_ranges": [len(s) for s in reader.segments("chip") if not s.is_mapped],
        "entries": count,
    }


def _kept(answers: list[Answer], searcher: Searcher, query: NDArray[np.float32]) -> None:
    """Search, and keep the answer."""
    answers.append(_search(searcher, query))


def _search(searcher: Searcher, query: NDArray[np.float32]) -> Answer:
    return searcher.search(SearchRequest(embedding=query, strategy="guided"))


def _copy(local: Store, remote: Store) -> None:
    for name in local.names():
        with remote.draft() as draft:
            shutil.copytree(local.open(name).whole(), draft, dirs_exist_ok=True)
            remote.publish(draft, name)


def _forget_cells(cache: Path) -> None:
    for folder in list(cache.rglob("*.parts")):
        shutil.rmtree(folder)
