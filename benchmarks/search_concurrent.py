"""Milliseconds (p50) of guided searches by 1, 4 and 16 clients, on OpenSearch over real chips.

Baseline: their guide and fetch requests alone, by as many clients. Clients are threads that share a
searcher and ask again as soon as they are answered; queries are texts as vectors, so that no
encoder runs. `figure` and `baseline` are those of one client.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import archives
from benchmarks.coded import coded, rows_of
from benchmarks.corpus import SIZES, open_corpus
from benchmarks.registry import Options
from benchmarks.search_opensearch import QUERIES, opened, ways_of
from benchmarks.timing import Call, at_once, summary
from deploy.local.node import LocalOpenSearch
from query_service.search import Searcher
from scenestore.opensearch.connection import Options as Access
from scenestore.opensearch.connection import connect

NAME = "search-concurrent"
CLIENTS = (1, 4, 16)
_WAYS = ("guided", "bare")
_LEAST_ROUNDS = 5
"""Of all queries by each way and number of clients: one busy moment must not decide."""
_HEAP = "2g"
_BATCH = 10_000


def run(options: Options) -> dict[str, Any]:
    """Index real chips, then ask in turns: each number of clients, guided and bare."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    asked = corpus.queries["rsicd"].part("report").vectors[:QUERIES]
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalOpenSearch(Path(scratch) / "node", heap=_HEAP) as node,
    ):
        home = Path(scratch) / "home"
        archive = coded(corpus)
        archive.bundle.save(home / "bundle")
        client = connect(Access((node.url,)))
        generation = opened(home, client)
        started = time.perf_counter()
        archives.fill_with(
            generation, len(corpus.chips), partial(rows_of, corpus, archive), batch=_BATCH
        )
        _report(f"indexed in {time.perf_counter() - started:.0f} s")
        searcher = Searcher(generation, archives.no_encoder)
        ways = [ways_of(searcher, generation, client, query) for query in asked]
        calls = {name: [way[name] for way in ways] for name in _WAYS}
        turns = _turns(calls, max(options.rounds, _LEAST_ROUNDS))
    found = {name: summary(*turn) for name, turn in turns.items()}
    figure, baseline = (found[f"{name} {CLIENTS[0]}"]["p50"] for name in _WAYS)
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "milliseconds",
        "added": figure - baseline,
        "entries": len(corpus.chips),
        **found,
    }


def _turns(calls: dict[str, list[Call]], rounds: int) -> dict[str, tuple[list[float], float]]:
    """Seconds of each call, and of all turns together, by way and number of clients.

    A first round is not measured: caches of node and segments are warm afterwards.
    """
    found: dict[str, tuple[list[float], float]] = {}
    for number in range(rounds + 1):
        for clients in CLIENTS:
            for name, of_way in calls.items():
                seconds, whole = at_once(of_way, clients)
                if number:
                    before, total = found.get(f"{name} {clients}", ([], 0.0))
                    found[f"{name} {clients}"] = ([*before, *seconds], total + whole)
    return found


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
