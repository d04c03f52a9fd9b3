"""Bands: filters that keep a given share of an archive, to calibrate filtered searches on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Entry, Kind
from scenestore.filters import ANY, Box, Filter
from scenestore.footprint import Footprint
from scenestore.generation import Generation
from scenestore.instants import known_milliseconds

BANDS = (0.5, 0.1, 0.01, 0.001)
"""Shares kept."""
_SAMPLE = 2_000
_FILTERS_EACH = 3
_WITHIN = 2.0
"""A filter is used when it keeps the share asked for, by this factor up or down."""


def bands(entries: int, few: int) -> list[float]:
    """The bands to calibrate: those that keep more than `few` entries, and what keeps just so many.

    Fewer are scored one and all. A band is the least share that its promise is for.
    """
    least = few / max(entries, 1)
    return [band for band in BANDS if band > least] + ([least] if least < 1 else [])


def band_filters(
    generation: Generation, kind: Kind, live: NDArray[np.int64], share: float, seed: int = 0
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Filters that keep about `share` of the live keys, each with a name and the keys it keeps.

    Some at random; by time and by place where entries have dates and footprints. live: ascending.
    """
    rng = np.random.default_rng([seed, round(1e6 * share)])
    for _ in range(_FILTERS_EACH):
        yield "random", live[rng.random(len(live)) < share]
    drawn = np.sort(rng.choice(live, min(_SAMPLE, len(live)), replace=False))
    entries = list(generation.documents.fetch(kind, drawn.tolist(), ANY).values())
    for name, filters in (
        ("time", _windows(entries, share, rng)),
        ("place", _boxes(entries, share, rng)),
    ):
        for where in filters:
            kept = generation.documents.keys(kind, where, sys.maxsize)
            if share / _WITHIN <= len(kept) / len(live) <= share * _WITHIN:
                yield name, kept


def _windows(entries: Sequence[Entry], share: float, rng: np.random.Generator) -> Iterator[Filter]:
    """Spans of time around entries, that hold about the share of all entries."""
    known = [known_milliseconds(entry.metadata.datetime) for entry in entries]
    times = sorted(when for when in known if when is not None)
    width = round(share * len(entries))
    for _ in range(_FILTERS_EACH if len(times) > width else 0):
        first = int(rng.integers(len(times) - width))
        since, until = (
            datetime.fromtimestamp(when / 1000, UTC)
            for when in (times[first], times[first + width])
        )
        yield Filter(since=since, until=until)


def _boxes(entries: Sequence[Entry], share: float, rng: np.random.Generator) -> Iterator[Filter]:
    """Squares on the map around entries, that hold about the share of all entries."""
    found = [Footprint.of(e.metadata.footprint) for e in entries if e.metadata.footprint]
    centres = np.array([footprint.centre for footprint in found if footprint])
    if len(centres) <= share * len(entries):
        return
    for _ in range(_FILTERS_EACH):
        x, y = centres[rng.integers(len(centres))].tolist()
        far = np.sort(np.abs(centres - (x, y)).max(axis=1))
        reach = float(far[min(round(share * len(entries)), len(far) - 1)])
        yield Filter(
            bbox=Box(
                max(x - reach, -180), max(y - reach, -90), min(x + reach, 180), min(y + reach, 90)
            )
        )
