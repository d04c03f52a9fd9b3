"""Milliseconds (p50) of a guided search on OpenSearch at 100,000 entries, encoder excluded.

Baseline: its guide and fetch requests alone, sent by the same client. `added` is the difference:
coding, exact scores, plan, scan and ranking.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opensearchpy import OpenSearch

from benchmarks import archives
from benchmarks.registry import Options
from benchmarks.timing import interleaved
from deploy.local.node import LocalOpenSearch
from query_service.request import SearchRequest, Strategy
from query_service.search import Searcher
from scenestore.filters import ANY
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.opensearch.connection import Options as Access
from scenestore.opensearch.connection import connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.opensearch.queries import FETCH_SHAPE, GUIDE_SHAPE, fetch_body, guide_body
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from sgpd.plan import RECALL_SETTINGS, guide_for

NAME = "search-opensearch"
QUERIES = 200
_HEAP = "1g"
_PREFIX = "bench"


def run(options: Options) -> dict[str, Any]:
    """Time guided, exhaustive and bare searches in turns, query by query."""
    count = options.size or 100_000
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalOpenSearch(Path(scratch) / "node", heap=_HEAP) as node,
    ):
        home = Path(scratch) / "home"
        archives.make_bundle(home, count)
        client = connect(Access((node.url,)))
        generation = opened(home, client)
        archives.fill(generation, count)
        searcher = Searcher(generation, archives.no_encoder)
        ways = [ways_of(searcher, generation, client, q) for q in archives.queries(QUERIES, count)]
        for way in ways:  # once unmeasured: caches of node and segments are warm afterwards
            interleaved(way, 1)
        seconds = [interleaved(way, options.rounds) for way in ways]
    p50 = {name: 1000 * float(np.median([s[name] for s in seconds])) for name in seconds[0]}
    return {
        "figure": p50["guided"],
        "baseline": p50["bare"],
        "ratio": p50["guided"] / p50["bare"],
        "unit": "milliseconds",
        "added": p50["guided"] - p50["bare"],
        "exhaustive": p50["exhaustive"],
        "entries": count,
    }


def opened(home: Path, client: OpenSearch) -> Generation:
    """The archive of the bundle in `home`, with documents and ledger on OpenSearch."""
    ledger = OpenSearchLedger(client, _PREFIX)
    store = LocalStore(home / "batches")
    reader = SegmentReader(Bundle.load(home / "bundle"), Log(ledger, "g1"), store)
    return Generation(reader, OpenSearchDocuments(client, _PREFIX, "g1", reader))


def ways_of(
    searcher: Searcher, generation: Generation, client: OpenSearch, query: NDArray[np.float32]
) -> dict[str, Callable[[], object]]:
    """A guided and an exhaustive search, and the requests that the guided one makes."""

    def search(strategy: Strategy) -> list[int]:
        answer = searcher.search(SearchRequest(embedding=query, strategy=strategy))
        return [hit.key for hit in answer.hits]

    guide = guide_of(generation, query)
    fetch = fetch_body(search("guided"), ANY)

    def bare() -> None:
        for body, shape in ((guide, GUIDE_SHAPE), (fetch, FETCH_SHAPE)):
            client.search(index=f"{_PREFIX}-g1-chip", body=body, params={"filter_path": shape})

    return {
        "guided": lambda: search("guided"),
        "bare": bare,
        "exhaustive": lambda: search("exhaustive"),
    }


def guide_of(generation: Generation, query: NDArray[np.float32]) -> dict[str, Any]:
    """The body of the guide request that an uncalibrated search by a vector [d] makes."""
    sparsifier = generation.bundle.space("chip").sparsifier
    query_terms = RECALL_SETTINGS[0.99].query_terms
    terms, weights = sparsifier.encode_queries(query[None], query_terms).row(0)
    names = [sparsifier.lexicon.terms[term] for term in terms.tolist()]
    return guide_body(names, weights.tolist(), guide_for(SearchRequest.k), ANY)
