"""Milliseconds (p50) of `POST /search` by 1, 8 and 32 clients, on OpenSearch over real chips.

Baseline: a guide request, a fetch request and the encoder, one after the other, each asked by one
client. No text is asked twice, so that no answer of the encoder is remembered. `shares` compares
the searches a second of 32 clients with those of the slowest part alone, and with what the
processor time of all parts together leaves room for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opensearchpy.serializer import JSONSerializer

from benchmarks.corpus import SIZES, open_corpus
from benchmarks.registry import Options
from benchmarks.served import Client, indexed, serving, text_search
from benchmarks.timing import Call, at_once, summary
from query_service.request import SearchRequest
from scenesift.archive import Archive
from scenesift.models import load_encoder
from scenesift.settings import load_settings
from scenestore.filters import ANY
from scenestore.opensearch.queries import FETCH_SHAPE, GUIDE_SHAPE, fetch_body, guide_body
from sgpd.plan import RECALL_SETTINGS

NAME = "serve"
CLIENTS = (1, 8, 32)
WORKERS = 2
QUERIES = 200
_LEAST_ROUNDS = 3
_PARTS = ("guide", "fetch", "encoder")


def run(options: Options) -> dict[str, Any]:
    """Index real chips, serve them, then ask in turns: each number of clients, each way."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    asked = corpus.queries["rsicd"]
    texts = cycle(asked.texts)
    rounds = max(options.rounds, _LEAST_ROUNDS)
    found: dict[str, tuple[list[float], float]] = {}
    with indexed(corpus) as (archive, node), serving(archive, node, WORKERS) as (url, _):
        requests = _requests(archive, asked.part("report").vectors[:QUERIES], Client(node))
        encoder = load_encoder(load_settings(threads=1))
        service = Client(url)
        ways: dict[str, Callable[[], Sequence[Call]]] = {
            **{name: partial(list, calls) for name, calls in requests.items()},
            "encoder": lambda: [partial(encoder.encode_texts, [t]) for t in _next(texts)],
            "served": lambda: [
                partial(service.post, "/search", text_search(t)) for t in _next(texts)
            ],
        }
        for number in range(rounds + 1):  # the first is not measured: caches are warm afterwards
            for clients in CLIENTS:
                for name, calls in ways.items():
                    seconds, whole = at_once(calls(), clients)
                    if number:
                        before, total = found.get(f"{name} {clients}", ([], 0.0))
                        found[f"{name} {clients}"] = ([*before, *seconds], total + whole)
    figures = {name: summary(*turns) for name, turns in found.items()}
    one, most = CLIENTS[0], CLIENTS[-1]
    figure = figures[f"served {one}"]["p50"]
    baseline = sum(figures[f"{part} {one}"]["p50"] for part in _PARTS)
    slowest = min(max(figures[f"{p} {c}"]["a second"] for c in CLIENTS) for p in _PARTS)
    served = max(figures[f"served {c}"]["a second"] for c in CLIENTS)
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "milliseconds",
        "added": figure - baseline,
        "share of the slowest part alone": served / slowest,
        "share of all parts one after the other": served
        * sum(1 / max(figures[f"{p} {c}"]["a second"] for c in CLIENTS) for p in _PARTS),
        "entries": len(corpus.chips),
        "workers": WORKERS,
        "clients": most,
        **figures,
    }


def _next(texts: Iterator[str]) -> list[str]:
    return list(islice(texts, QUERIES))


def _requests(
    archive: Archive, queries: NDArray[np.float32], client: Client
) -> dict[str, list[Call]]:
    """The bare requests that searches by those vectors make."""
    settings = RECALL_SETTINGS[0.99]
    sparsifier = archive.generation.bundle.space("chip").sparsifier
    alias = f"/{archive.settings.opensearch_prefix}-g1-chip/_search?filter_path="
    dumps = JSONSerializer().dumps
    found: dict[str, list[Call]] = {"guide": [], "fetch": []}
    for query in queries:
        terms, weights = sparsifier.encode_queries(query[None], settings.query_terms).row(0)
        names = [sparsifier.lexicon.terms[term] for term in terms.tolist()]
        guide = guide_body(names, weights.tolist(), settings.guide_size, ANY)
        answer = archive.searcher.search(SearchRequest(embedding=query, strategy="guided"))
        fetch = fetch_body([hit.key for hit in answer.hits], ANY)
        for name, body, shape in (("guide", guide, GUIDE_SHAPE), ("fetch", fetch, FETCH_SHAPE)):
            content = dumps(body).encode()
            found[name].append(partial(client.post, alias + shape, content))
    return found
