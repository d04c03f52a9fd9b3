"""What documents cover, from aggregations."""

from __future__ import annotations

from typing import Any

from scenestore.extent import MOST_COLLECTIONS, Extent
from scenestore.filters import Box

SHAPE = "aggregations"
"""What is asked of the answer."""
_DIGITS = 6
"""Of degrees: Lucene keeps corners to some 1e-7 of one, rounded down."""


def body(query: dict[str, Any]) -> dict[str, Any]:
    """Asks what the documents that a query finds cover, by collection."""
    covered = {
        "place": {"geo_bounds": {"field": "footprint", "wrap_longitude": False}},
        "first": {"min": {"field": "datetime"}},
        "last": {"max": {"field": "datetime"}},
    }
    by_name = {"field": "collection", "size": MOST_COLLECTIONS, "order": {"_key": "asc"}}
    return {
        "query": query,
        "size": 0,
        "track_total_hits": False,
        "aggs": {"collections": {"terms": by_name, "aggs": covered}},
    }


def extents(answer: dict[str, Any]) -> dict[str, Extent]:
    """What an answer to that says."""
    buckets = answer["aggregations"]["collections"]["buckets"]
    return {bucket["key"]: _extent(bucket) for bucket in buckets}


def _extent(bucket: dict[str, Any]) -> Extent:
    first, last = (bucket[end]["value"] for end in ("first", "last"))
    bounds = bucket["place"].get("bounds")
    return Extent(
        None if bounds is None else _box(bounds),
        None if first is None else round(first),
        None if last is None else round(last),
    )


def _box(bounds: dict[str, Any]) -> Box:
    corners = bounds["top_left"], bounds["bottom_right"]
    (west, north), (east, south) = ((corner["lon"], corner["lat"]) for corner in corners)
    return Box(*(round(edge, _DIGITS) for edge in (west, south, east, north)))
