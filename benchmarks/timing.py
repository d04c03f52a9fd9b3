"""Timing: several ways of doing a thing, in turns, so that a busy moment hits them all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

Call = Callable[[], object]


def interleaved(ways: Mapping[str, Call], rounds: int) -> dict[str, float]:
    """Median seconds of each way over `rounds` turns; `rounds` >= 1."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def at_once(calls: Sequence[Call], clients: int) -> tuple[list[float], float]:
    """Seconds of each call, and of all, where each client takes the next call that is left."""
    with ThreadPoolExecutor(clients) as pool:
        started = time.perf_counter()
        seconds = list(pool.map(_timed, calls))
        return seconds, time.perf_counter() - started


def _timed(call: Call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def summary(seconds: Sequence[float], whole: float) -> dict[str, float]:
    """Milliseconds at the middle and at the tail, and calls answered a second."""
    p50, p95 = (1000 * np.percentile(seconds, (50, 95))).tolist()
    return {"p50": p50, "p95": p95, "a second": len(seconds) / whole}
