"""Milliseconds (p50) of `POST /search` by 1, 8 and 32 clients, on OpenSearch over real chips.

Baseline: a guide request, a fetch request and the encoder, one after the other, each asked by one
client. No text is asked twice, so that no answer of the encoder is remembered. Shares compare the
most searches a second with the most that the slowest part does alone, and with the most that are
possible where the parts, each at its best, take turns on the same cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opensearchpy.serializer import JSONSerializer

from benchmarks.corpus import SIZES, Corpus, open_corpus
from benchmarks.registry import Options
from benchmarks.served import Client, indexed, serving, text_search
from benchmarks.timing import Call, at_once, summary
from query_service.request import SearchRequest
from scenesift.archive import Archive
from scenesift.models import load_encoder
from scenesift.settings import load_settings
from scenestore.filters import ANY
from scenestore.opensearch.queries import FETCH_SHAPE, GUIDE_SHAPE, fetch_body, guide_body
from sgpd.encoders import Encoder
from sgpd.plan import RECALL_SETTINGS

NAME = "serve"
CLIENTS = (1, 8, 32)
WORKERS = 2
QUERIES = 200
_LEAST_ROUNDS = 3
_PARTS = ("guide", "fetch", "encoder")

Ways = Mapping[str, Callable[[], Sequence[Call]]]
"""Each gives the calls of its next turn."""


def run(options: Options) -> dict[str, Any]:
    """Index real chips, serve them, then ask in turns: each number of clients, each way."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])
    texts = cycle(corpus.queries["rsicd"].texts)

    def ways(encoder: Encoder, service: Client) -> Ways:
        return {
            "encoder": lambda: [partial(encoder.encode_texts, [text]) for text in _next(texts)],
            "served": lambda: [
                partial(service.post, "/search", text_search(text)) for text in _next(texts)
            ],
        }

    return measured(corpus, options.rounds, ways)


def measured(
    corpus: Corpus, rounds: int, ways_of: Callable[[Encoder, Client], Ways]
) -> dict[str, Any]:
    """Times of the ways `encoder` and `served`, and of the bare requests, in turns."""
    found: dict[str, tuple[list[float], float]] = {}
    with indexed(corpus) as (archive, node), serving(archive, node, WORKERS) as (url, _):
        queries = corpus.queries["rsicd"].part("report").vectors[:QUERIES]
        bare: Ways = {
            name: partial(list, calls)
            for name, calls in _requests(archive, queries, Client(node)).items()
        }
        ways: Ways = {**bare, **ways_of(load_encoder(load_settings(threads=1)), Client(url))}
        for number in range(max(rounds, _LEAST_ROUNDS) + 1):
            for clients in CLIENTS:
                for name, calls in ways.items():
                    seconds, whole = at_once(calls(), clients)
                    if number:  # the first is not measured: caches are warm afterwards
                        before, total = found.get(f"{name} {clients}", ([], 0.0))
                        found[f"{name} {clients}"] = ([*before, *seconds], total + whole)
    figures = {name: summary(*turns) for name, turns in found.items()}
    figure = figures[f"served {CLIENTS[0]}"]["p50"]
    baseline = sum(figures[f"{part} {CLIENTS[0]}"]["p50"] for part in _PARTS)
    most = {
        name: max(figures[f"{name} {clients}"]["a second"] for clients in CLIENTS) for name in ways
    }
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "milliseconds",
        "added": figure - baseline,
        "share of the slowest part alone": most["served"] / min(most[part] for part in _PARTS),
        "share of all parts by turns": most["served"] * sum(1 / most[part] for part in _PARTS),
        "entries": len(corpus.chips),
        "workers": WORKERS,
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
