"""Milliseconds (p50) of a guide of 400 from OpenSearch over real chips; baseline: an empty search.

The documents are written in bulk to a local node, one shard, with the mapping of the product and as
many Lucene segments as come of it; then merged into one. One client asks both in turns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from opensearchpy import OpenSearch

from benchmarks.corpus import SIZES, open_corpus
from benchmarks.registry import Options
from benchmarks.timing import interleaved
from deploy.local.node import LocalOpenSearch
from mappings import index_body
from scenestore.filters import ANY
from scenestore.opensearch.bulk import send, versioned
from scenestore.opensearch.connection import Options as Access
from scenestore.opensearch.connection import connect
from scenestore.opensearch.queries import GUIDE_SHAPE, guide_body
from sgpd.codes import Codes
from sgpd.fit import fit
from sgpd.sparsifier import Sparsifier

NAME = "guide-opensearch"
DEPTHS = (100, 400, 1000)
QUERY_TERMS = 64
_QUERIES = 200
_HEAP = "2g"
_INDEX = "guide"
EMPTY = {"query": {"match_none": {}}, "size": 0}


def run(options: Options) -> dict[str, Any]:
    """Load, ask, merge, ask again."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    sparsifier = fit(corpus.chips, corpus.encoder).space("chip").sparsifier
    codes = sparsifier.encode_documents(corpus.chips)
    x = corpus.queries["rsicd"].part("report").vectors[:_QUERIES]
    asked = sparsifier.encode_queries(x, QUERY_TERMS)
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalOpenSearch(Path(scratch) / "node", heap=_HEAP) as node,
    ):
        client = connect(Access((node.url,)))
        settings = {"index": {"number_of_replicas": 0, "refresh_interval": "-1"}}
        client.indices.create(index=_INDEX, body={**index_body("entries"), "settings": settings})
        send(client, documents(_INDEX, codes, sparsifier), require_alias=False)
        client.indices.refresh(index=_INDEX)
        loaded = _ask(client, asked, sparsifier, options.rounds)
        client.indices.forcemerge(
            index=_INDEX, params={"max_num_segments": 1, "request_timeout": 600}
        )
        client.indices.refresh(index=_INDEX)
        merged = _ask(client, asked, sparsifier, options.rounds)
    return {
        "figure": loaded["r=400"],
        "baseline": loaded["empty"],
        "ratio": loaded["r=400"] / loaded["empty"],
        "unit": "milliseconds",
        "entries": len(corpus.chips),
        "prototypes": len(sparsifier.lexicon),
        "loaded": loaded,
        "merged": merged,
    }


def documents(index: str, codes: Codes, sparsifier: Sparsifier) -> Iterator[bytes]:
    """Writes of chips that have nothing but a key and a code."""
    names = sparsifier.lexicon.terms
    for key, (terms, weights) in enumerate(codes):
        code = {names[t]: w for t, w in zip(terms.tolist(), weights.tolist(), strict=True)}
        document = {"kind": "chip", "identity": str(key), "key": key, "sp": code}
        yield versioned(index, str(key), 1, document)


def _ask(client: OpenSearch, asked: Codes, sparsifier: Sparsifier, rounds: int) -> dict[str, float]:
    """Median milliseconds of each way over all queries, after one unmeasured turn."""
    names = sparsifier.lexicon.terms
    ask = partial(client.search, index=_INDEX, params={"filter_path": GUIDE_SHAPE})
    ways = []
    for terms, weights in asked:
        code = ([names[t] for t in terms.tolist()], weights.tolist())
        bodies = {f"r={depth}": guide_body(*code, depth, ANY) for depth in DEPTHS}
        ways.append({name: partial(ask, body=body) for name, body in bodies.items()})
        ways[-1]["empty"] = partial(ask, body=EMPTY)
    for way in ways:
        interleaved(way, 1)
    seconds = [interleaved(way, rounds) for way in ways]
    p50 = {name: 1000 * float(np.median([s[name] for s in seconds])) for name in ways[0]}
    stats = client.indices.stats(index=_INDEX, metric="segments,store")
    of_all = stats["_all"]["primaries"]
    return {
        **p50,
        "lucene_segments": of_all["segments"]["count"],
        "store_mib": of_all["store"]["size_in_bytes"] / 2**20,
    }
