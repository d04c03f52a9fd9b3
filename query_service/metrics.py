"""What the service counts of its work, for Prometheus; `Metrics` implements `Observer`.

No label takes what a caller wrote: routes are templates, and all else is one of a few words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from http import HTTPMethod
from pathlib import Path
from typing import get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import MutexValue, ValueClass

from query_service.answer import Answer
from query_service.observer import Encoded, Refused
from query_service.planner import Way
from query_service.ticket import note
from scenestore.entry import KINDS, Kind

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STEP_SECONDS = (0.0001, 0.0002, 0.0005, *SECONDS[:-2])
_VECTORS = (10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 1e7)
_GUIDE = (10, 30, 100, 200, 500, 1e3, 2e3, 5e3)
_TOGETHER = (1, 2, 4, 8, 16, 32, 64)
_METHODS = frozenset(HTTPMethod)
_RESULTS = ("hit", "miss")
_LIVE_GAUGE = re.compile(r"gauge_live\w+_(\d+)\.db")

# A time beside every counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one service, in this process or, where it has several, in all of them.

    Several share a folder that prometheus-client takes from its variable when it is imported; see
    `scenesift.settings.share_metrics`.
    """

    def __init__(self, facts: Collector | None = None) -> None:
        """`facts` are collected at each scrape beside what was counted."""
        ours = CollectorRegistry()
        self._shown = ours
        self._folder: Path | None = None
        if ValueClass is not MutexValue:
            self._shown = CollectorRegistry()
            # Without a path it takes the one that the values themselves are kept by.
            self._folder = Path(MultiProcessCollector(self._shown)._path)  # type: ignore[no-untyped-call]
        if facts is not None:
            self._shown.register(facts)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"scenesift_{name}", what, labels, registry=ours)

        def gauge(name: str, what: str) -> Gauge:
            return Gauge(f"scenesift_{name}", what, registry=ours, multiprocess_mode="livesum")

        def histogram(name: str, what: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(
                f"scenesift_{name}", what, labels, registry=ours, buckets=tuple(buckets)
            )

        self._requests = counter("requests", "Requests answered.", "route", "method", "status")
        self._request_seconds = histogram(
            "request_seconds", "Time to answer a request.", SECONDS, "route"
        )
        self._in_progress = gauge("requests_in_progress", "Requests that are being answered.")
        self._waiting = gauge("requests_waiting", "Requests that wait for a thread.")
        self._refused = counter("requests_refused", "Requests refused, by reason.", "reason")
        self._search_seconds = histogram(
            "search_seconds", "Time of a search in the pipeline.", SECONDS, "strategy"
        )
        self._step_seconds = histogram(
            "search_step_seconds", "Time of a step of the pipeline.", _STEP_SECONDS, "step"
        )
        self._scored = histogram(
            "vectors_scored", "Dense vectors that a search scored.", _VECTORS, "strategy"
        )
        self._guide = histogram("guide_size", "Sparse hits of a guided search.", _GUIDE)
        self._hits = counter("hits", "Entries found.", "kind")
        self._promises = counter("promises", "Searches by whether a recall was promised.", "given")
        self._partial = counter("partial_answers", "Answers that left out shards that failed.")
        self._store = counter("store_reads", "Requests sent to a remote store.")
        self._store_bytes = counter("store_read_bytes", "Bytes read from a remote store.")
        self._cache = counter(
            "shard_cache_reads", "Reads of the cache before a remote store.", "result"
        )
        self._memory = counter(
            "query_cache_reads", "Reads of the memory of encoded queries.", "what", "result"
        )
        self._encoding = gauge("encoder_queue", "Queries that wait to be encoded.")
        self._encoder_seconds = histogram(
            "encoder_seconds", "Time to encode queries, however many at once.", SECONDS, "what"
        )
        self._together = histogram(
            "encoder_batch_size", "Queries encoded at once.", _TOGETHER, "what"
        )

        for metric, values in (
            (self._refused, get_args(Refused)),
            (self._search_seconds, get_args(Way)),
            (self._scored, get_args(Way)),
            (self._hits, KINDS),
            (self._promises, ("yes", "no")),
            (self._cache, _RESULTS),
        ):
            for value in values:  # from the start, or the first of its kind would not be seen
                metric.labels(value)
        for what in get_args(Encoded):
            for result in _RESULTS:
                self._memory.labels(what, result)

    def page(self) -> bytes:
        """All of it, in Prometheus' text format."""
        self._forget_dead()
        return generate_latest(self._shown)

    def began(self) -> None:
        """A request came."""
        self._in_progress.inc()

    def ended(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is a template, not a path."""
        self._in_progress.dec()
        known = method if method in _METHODS else "other"
        self._requests.labels(route, known, status).inc()
        self._request_seconds.labels(route).observe(seconds)

    def searched(self, answer: Answer, kind: Kind) -> None:
        """A search was answered; the log line of its request says how."""
        note(strategy=answer.strategy, scanned=answer.scanned, generation=answer.generation)
        for step, milliseconds in answer.milliseconds.items():
            if step == "total":
                self._search_seconds.labels(answer.strategy).observe(milliseconds / 1000)
            else:
                self._step_seconds.labels(step).observe(milliseconds / 1000)
        self._scored.labels(answer.strategy).observe(answer.scanned)
        if answer.strategy == "guided":
            self._guide.observe(answer.guide)
        self._hits.labels(kind).inc(len(answer.hits))
        self._promises.labels("no" if answer.expected_recall is None else "yes").inc()
        if answer.missing:
            self._partial.inc()
        self._store.inc(answer.reads.requests)
        self._store_bytes.inc(answer.reads.bytes)
        self._cache.labels("hit").inc(answer.reads.hits)
        self._cache.labels("miss").inc(answer.reads.misses)

    def encoded(self, what: Encoded, queries: int, seconds: float) -> None:
        """So many queries were encoded at once."""
        self._encoder_seconds.labels(what).observe(seconds)
        self._together.labels(what).observe(queries)

    def remembered(self, what: Encoded, is_known: bool) -> None:
        """A query's vector was asked of the memory of vectors."""
        self._memory.labels(what, "hit" if is_known else "miss").inc()

    def waiting(self, change: int) -> None:
        """So many more requests wait for a thread."""
        self._waiting.inc(change)

    def encoding(self, change: int) -> None:
        """So many more queries wait to be encoded."""
        self._encoding.inc(change)

    def refused(self, reason: Refused) -> None:
        """A request was refused."""
        self._refused.labels(reason).inc()

    def _forget_dead(self) -> None:
        """Let what processes that died had in hand count no more."""
        if self._folder is None:
            return
        for file in self._folder.glob("gauge_live*.db"):
            match = _LIVE_GAUGE.fullmatch(file.name)
            if match and not _is_alive(int(match[1])):
                file.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
