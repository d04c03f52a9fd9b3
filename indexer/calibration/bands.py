"""Bands: filters that keep a given share of an archive, to calibrate filtered searches on."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Entry, Kind
from scenestore.filters import ANY, SEVERAL, Box, Filter, is_searched
from scenestore.footprint import Footprint
from scenestore.generation import Generation
from scenestore.instants import known_milliseconds

BANDS = (0.5, 0.1, 0.01, 0.001)
"""Shares kept."""
_SAMPLE = 2_000
_FILTERS_EACH = 3
_TRIES = 12
"""Filters of a kind that are looked at: many of those that join two keep too much or too little."""
_WITHIN = 2.0
"""A filter is used when it keeps the share asked for, or by this factor less."""


def bands(entries: int, few: int) -> list[tuple[float, float]]:
    """The bands to calibrate: the least share that each is for, and where the next one begins.

    They keep more than `few` entries, the last just so many. Fewer are scored one and all.
    """
    least = few / max(entries, 1)
    shares = [band for band in BANDS if band > least] + ([least] if least < 1 else [])
    return list(zip(shares, [1.0, *shares], strict=False))


def band_filters(
    generation: Generation,
    kind: Kind,
    live: NDArray[np.int64],
    band: tuple[float, float],
    seed: int = 0,
) -> dict[str, list[NDArray[np.int64]]]:
    """The keys that filters of a band keep, by kind of filter; live: all keys, ascending.

    Filters are drawn from what entries have, so that they go with the content as theirs do. A kind
    of which no filter keeps about the share of the band, and less than the next, is left out.
    """
    share, above = band
    rng = np.random.default_rng([seed, round(1e6 * share)])
    drawn = np.sort(rng.choice(live, min(_SAMPLE, len(live)), replace=False))
    entries = list(generation.documents.fetch(kind, drawn.tolist(), ANY).values())
    found: dict[str, list[NDArray[np.int64]]] = {}
    for name, filters in _Drawn(entries, share, above, rng).filters().items():
        for where in filters:
            kept = generation.documents.keys(kind, where, sys.maxsize)
            if share / _WITHIN <= len(kept) / len(live) < above:
                found.setdefault(name, []).append(kept)
            if len(found.get(name, ())) == _FILTERS_EACH:
                break
    return found


@dataclass(frozen=True)
class _Drawn:
    """Filters drawn from a sample of entries."""

    entries: Sequence[Entry]
    share: float
    """About what a filter keeps."""
    above: float
    """What none may keep."""
    rng: np.random.Generator

    def filters(self) -> dict[str, Iterable[Filter]]:
        """By kind; some keep another share than they should."""
        wider = replace(self, share=math.sqrt(self.share), above=1.0)
        joined = wider.joined() if self.share < 1 else ()
        return {**self.single(), SEVERAL: joined}

    def single(self) -> dict[str, Iterable[Filter]]:
        """By kind, of one kind each."""
        collections = [entry.identity.collection for entry in self.entries]
        properties = [
            (name, value)
            for entry in self.entries
            for name, value in entry.metadata.properties.items()
            if is_searched(name, value) and (isinstance(value, str) or math.isfinite(value))
        ]
        return {
            "time": self._windows(),
            "cloud": self._clearest(),
            "place": self._boxes(),
            "collection": self._common(collections, lambda one: Filter(collections=(one,))),
            "property": self._common(
                properties, lambda one: Filter(properties=((one[0], (one[1],)),))
            ),
        }

    def joined(self) -> Iterator[Filter]:
        """Filters of two kinds at once."""
        kinds = [found for filters in self.single().values() if (found := list(filters))]
        for _ in range(_TRIES if len(kinds) > 1 else 0):
            one, other = (
                kinds[i][int(self.rng.integers(len(kinds[i])))]
                for i in self.rng.permutation(len(kinds))[:2].tolist()
            )
            asked = {field.name: getattr(other, field.name) for field in fields(other)}
            yield replace(one, **{name: what for name, what in asked.items() if what})

    def _common(self, values: Sequence[Any], where: Callable[[Any], Filter]) -> list[Filter]:
        """Filters by values that so many entries have, in an order by chance."""
        least, most = (share * len(self.entries) for share in (self.share / _WITHIN, self.above))
        held = [value for value, count in Counter(values).items() if least <= count < most]
        return [where(held[i]) for i in self.rng.permutation(len(held))[:_TRIES].tolist()]

    def _windows(self) -> Iterator[Filter]:
        """Spans of time around entries."""
        known = [known_milliseconds(entry.metadata.datetime) for entry in self.entries]
        times = sorted(when for when in known if when is not None)
        width = round(self.share * len(self.entries))
        for _ in range(_TRIES if len(times) > width else 0):
            first = int(self.rng.integers(len(times) - width))
            since, until = (
                datetime.fromtimestamp(when / 1000, UTC)
                for when in (times[first], times[first + width])
            )
            yield Filter(since=since, until=until)

    def _clearest(self) -> Iterator[Filter]:
        """The entries with the fewest clouds."""
        known = [entry.metadata.cloud_cover for entry in self.entries]
        covers = sorted(cover for cover in known if cover is not None)
        count = round(self.share * len(self.entries))
        if 0 < count <= len(covers):
            yield Filter(cloud_cover=(0.0, covers[count - 1]))

    def _boxes(self) -> Iterator[Filter]:
        """Squares on the map around entries."""
        given = [entry.metadata.footprint for entry in self.entries]
        found = [Footprint.of(footprint) for footprint in given if footprint]
        centres = np.array([footprint.centre for footprint in found if footprint])
        count = round(self.share * len(self.entries))
        for _ in range(_TRIES if len(centres) > count else 0):
            x, y = centres[self.rng.integers(len(centres))].tolist()
            reach = float(np.partition(np.abs(centres - (x, y)).max(axis=1), count)[count])
            yield Filter(
                bbox=Box(
                    *(max(x - reach, -180.0), max(y - reach, -90.0)),
                    *(min(x + reach, 180.0), min(y + reach, 90.0)),
                )
            )
