"""Milliseconds (p50) and recall@10 of embedded searches with a filter, at 100,000 entries.

Filters keep 50, 10, 1, 0.1 and 0.01 % of the entries: at random (clouds), by time, by place, by
CQL2 at random (clouds and a property) and, below 50 %, by an area with eight corners in that place.
Dates, clouds and footprints are synthetic: dates and places go with the cluster. Baseline: the same
queries without a filter, in turns. `first` is a filter's first count, before its keys are known.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import archives
from benchmarks.attributes import Attributes, synthesise
from benchmarks.registry import Options
from benchmarks.synthetic import clustered
from benchmarks.timing import interleaved
from query_service.request import SearchRequest, Strategy
from query_service.search import Searcher
from scenestore import cql
from scenestore.entry import Metadata
from scenestore.filters import ANY, Box, Filter
from scenestore.generation import Generation

NAME = "filters"
QUERIES = 30
SHARES = (0.5, 0.1, 0.01, 0.001, 0.0001)
_CLASSES = 45
_SCENE_METRES = 2_560.0
_WIDEST = 85.0
"""Degrees around its middle; one that is wider does not say which way around the Earth it goes."""
_SLANT = 0.1
"""Of its width: what turns a footprint from a box into what real ones are."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def run(options: Options) -> dict[str, Any]:
    """Search with each filter and without, in turns, and compare with exhaustive searches."""
    count = options.size or 100_000
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        archives.make_bundle(home, count)
        generation = archives.embedded(home)
        attributes = _attributes(generation, count)
        started = time.perf_counter()
        archives.fill(generation, count, lambda row: _metadata(attributes, row))
        filled = time.perf_counter() - started
        searcher = Searcher(generation, archives.no_encoder)
        queries = archives.queries(QUERIES, count)
        _p50(searcher, queries, ANY, 1)  # opens files
        bands: list[dict[str, Any]] = [
            {"by": by, "share": share, **_band(searcher, generation, queries, where, options)}
            for by, share, where in _filters(attributes)
        ]
    worst = max(bands, key=lambda band: band["p50"] / band["unfiltered"])
    return {
        "figure": worst["p50"],
        "baseline": worst["unfiltered"],
        "ratio": worst["p50"] / worst["unfiltered"],
        "unit": "milliseconds",
        "entries": count,
        "filled_per_second": count / filled,
        "lowest_recall_at_10": min(band["recall_at_10"] for band in bands),
        "bands": bands,
        "attributes": "synthetic",
    }


def _attributes(generation: Generation, count: int) -> Attributes:
    """Attributes that go with the clusters, but clouds, which go with nothing."""
    rng = np.random.default_rng(3)
    classes = generation.bundle.space("chip").cells.assign(clustered(count)) % _CLASSES
    whole = np.tile([0.0, 0.0, 1.0], (count, 1))
    found = synthesise(classes, np.arange(count), whole, np.full(count, _SCENE_METRES))
    clouds = rng.uniform(0, 100, count).astype(np.float32)
    return replace(found, cloud=clouds)


def _metadata(attributes: Attributes, row: int) -> Metadata:
    west, south, east, north = attributes.footprint[row].tolist()
    slant = _SLANT * (east - west)
    ring = [[west, south], [east - slant, south], [east, north], [west + slant, north]]
    return Metadata(
        datetime=(_EPOCH + timedelta(days=int(attributes.day[row]))).isoformat(),
        cloud_cover=float(attributes.cloud[row]),
        footprint={"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        properties={"orbit": row % 143, "pass": "ascending" if row % 2 else "descending"},
    )


def _filters(attributes: Attributes) -> list[tuple[str, float, Filter]]:
    """Around one entry each, the middle one of the archive."""
    row = len(attributes.day) // 2
    day = int(attributes.day[row])
    days = np.abs(attributes.day - day)
    centres = (attributes.footprint[:, :2] + attributes.footprint[:, 2:]) / 2
    far = np.abs(centres - centres[row]).max(axis=1)
    found = []
    for share in SHARES:
        nearest = max(round(share * len(days)), 1) - 1
        reach = int(np.partition(days, nearest)[nearest])
        since, until = (_EPOCH + timedelta(days=day + sign * reach) for sign in (-1, 1))
        degrees = np.partition(far, nearest)[nearest]
        west, south = (centres[row] - degrees).clip([-180, -90])
        east, north = (centres[row] + degrees).clip(None, [180, 90])
        box = Box(float(west), float(south), float(east), float(north))
        found += [
            ("random", share, Filter(cloud_cover=(0.0, 100 * share))),
            ("time", share, Filter(since=since, until=until)),
            ("place", share, Filter(bbox=box)),
            ("cql2", share, _asking(f"cloud_cover < {200 * share} AND pass LIKE 'asc%'")),
        ]
        if degrees < _WIDEST:
            corners = [f"{x} {y}" for x, y in _octagon(centres[row], degrees)]
            area = f"S_INTERSECTS(geometry, POLYGON(({', '.join(corners)})))"
            found.append(("area", share, _asking(area)))
    return found


def _asking(text: str) -> Filter:
    return Filter(expressions=(cql.read(text),))


def _octagon(centre: NDArray[np.float64], reach: float) -> list[list[float]]:
    """A ring within the square of that reach."""
    turns = np.radians(np.arange(0, 361, 45))
    ring = centre + reach * np.column_stack([np.cos(turns), np.sin(turns)])
    ring = ring.clip([-180, -90], [180, 90])
    return [*ring[:-1].tolist(), ring[0].tolist()]


def _band(
    searcher: Searcher,
    generation: Generation,
    queries: NDArray[np.float32],
    where: Filter,
    options: Options,
) -> dict[str, float]:
    documents = generation.documents
    started = time.perf_counter()
    matches = documents.count("chip", where)
    first = time.perf_counter() - started
    filtered, unfiltered = _p50(searcher, queries, where, options.rounds)
    shared = [
        len(_found(searcher, q, where, "auto") & _found(searcher, q, where, "exhaustive"))
        for q in queries
    ]
    return {
        "matches": matches,
        "first": 1000 * first,
        "p50": filtered,
        "unfiltered": unfiltered,
        "recall_at_10": float(np.mean(shared)) / min(10, matches),
    }


def _p50(
    searcher: Searcher, queries: NDArray[np.float32], where: Filter, rounds: int
) -> tuple[float, float]:
    """Milliseconds with and without the filter."""
    seconds = [
        interleaved(
            {
                "filtered": partial(_found, searcher, query, where, "auto"),
                "unfiltered": partial(_found, searcher, query, ANY, "auto"),
            },
            rounds,
        )
        for query in queries
    ]
    filtered, unfiltered = (
        1000 * float(np.median([s[name] for s in seconds])) for name in ("filtered", "unfiltered")
    )
    return filtered, unfiltered


def _found(
    searcher: Searcher, query: NDArray[np.float32], where: Filter, strategy: Strategy
) -> set[int]:
    answer = searcher.search(SearchRequest(embedding=query, strategy=strategy, where=where))
    return {hit.key for hit in answer.hits}
