"""Milliseconds (p50) of `POST /search` by 1, 8 and 32 clients, on OpenSearch over real chips.

Baseline: the encoder, a guide request and a fetch request, one after the other for each query, by
one client. No query is asked twice, so that nobody remembers an answer. Shares compare the
most searches a second with the most that the slowest part does alone, and with the most that all
parts in a row do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any

from opensearchpy.serializer import JSONSerializer

from benchmarks.corpus import SIZES, Corpus, Queries, open_corpus
from benchmarks.registry import Options
from benchmarks.search_opensearch import guide_of
from benchmarks.served import Client, indexed, serving, text_search
from benchmarks.timing import Call, at_once, summary
from query_service.request import SearchRequest
from scenesift.archive import Archive
from scenesift.models import load_encoder
from scenesift.settings import load_settings
from scenestore.filters import ANY
from scenestore.opensearch.queries import FETCH_SHAPE, GUIDE_SHAPE, fetch_body
from sgpd.encoders import Encoder

NAME = "serve"
CLIENTS = (1, 8, 32)
WORKERS = 2
QUERIES = 200
_LEAST_ROUNDS = 3

Ways = Mapping[str, Callable[[Queries], Sequence[Call]]]
"""Each gives the calls of a turn."""


def run(options: Options) -> dict[str, Any]:
    """Index real chips, serve them, then ask in turns: each number of clients, each way."""
    corpus = open_corpus(options.data, options.size or SIZES[-1])

    def ways(encoder: Encoder, service: Client) -> Ways:
        return {
            "encoder": lambda asked: [partial(encoder.encode_texts, [t]) for t in asked.texts],
            "served": lambda asked: [
                partial(service.post, "/search", text_search(text)) for text in asked.texts
            ],
        }

    return measured(corpus, options.rounds, ways)


def measured(
    corpus: Corpus, rounds: int, ways_of: Callable[[Encoder, Client], Ways]
) -> dict[str, Any]:
    """Times of the ways `encoder` and `served`, and of the bare requests, in turns."""
    found: dict[str, tuple[list[float], float]] = {}
    turns = _turns(corpus.queries["rsicd"])
    with indexed(corpus) as (archive, node), serving(archive, node, WORKERS) as (url, _):
        bare = Bare(archive, Client(node))
        asking = ways_of(load_encoder(load_settings(threads=1)), Client(url))
        parts: Ways = {"encoder": asking["encoder"], "guide": bare.guides, "fetch": bare.fetches}
        ways: Ways = {
            **parts,
            "bare": partial(_in_a_row, parts.values()),
            "served": asking["served"],
        }
        for number in range(max(rounds, _LEAST_ROUNDS) + 1):
            for clients in CLIENTS:
                for name, calls in ways.items():
                    seconds, whole = at_once(calls(next(turns)), clients)
                    if number:  # the first is not measured: caches are warm afterwards
                        before, total = found.get(f"{name} {clients}", ([], 0.0))
                        found[f"{name} {clients}"] = ([*before, *seconds], total + whole)
    figures = {name: summary(*turns) for name, turns in found.items()}
    figure = figures[f"served {CLIENTS[0]}"]["p50"]
    baseline = figures[f"bare {CLIENTS[0]}"]["p50"]
    most = {
        name: max(figures[f"{name} {clients}"]["a second"] for clients in CLIENTS) for name in ways
    }
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "milliseconds",
        "added": figure - baseline,
        "share of the slowest part alone": most["served"] / min(most[part] for part in parts),
        "share of all parts in a row": most["served"] / most["bare"],
        "entries": len(corpus.chips),
        "workers": WORKERS,
        **figures,
    }


def _turns(asked: Queries) -> Iterator[Queries]:
    """So many queries at a time, each of them once as long as there are any."""
    numbers = cycle(range(len(asked.texts)))
    while True:
        rows = list(islice(numbers, QUERIES))
        texts = tuple(asked.texts[row] for row in rows)
        yield Queries(asked.vectors[rows], asked.source, asked.split, texts)


def _in_a_row(parts: Iterable[Callable[[Queries], Sequence[Call]]], asked: Queries) -> list[Call]:
    """All parts of a query in one call."""

    def call(of_query: Sequence[Call]) -> None:
        for part in of_query:
            part()

    calls = zip(*(part(asked) for part in parts), strict=True)
    return [partial(call, of_query) for of_query in calls]


class Bare:
    """The requests that searches make, sent without SceneSift."""

    def __init__(self, archive: Archive, client: Client) -> None:
        self._archive = archive
        self._send = client.post
        self._path = f"/{archive.settings.opensearch_prefix}-g1-chip/_search?filter_path="

    def guides(self, asked: Queries) -> list[Call]:
        """The first requests of searches by vectors."""
        bodies = (guide_of(self._archive.generation, query) for query in asked.vectors)
        return [self._call(body, GUIDE_SHAPE) for body in bodies]

    def fetches(self, asked: Queries) -> list[Call]:
        """Their second requests."""
        search = self._archive.searcher.search
        answers = [search(SearchRequest(embedding=query)) for query in asked.vectors]
        bodies = (fetch_body([hit.key for hit in answer.hits], ANY) for answer in answers)
        return [self._call(body, FETCH_SHAPE) for body in bodies]

    def _call(self, body: dict[str, Any], shape: str) -> Call:
        return partial(self._send, self._path + shape, JSONSerializer().dumps(body).encode())
