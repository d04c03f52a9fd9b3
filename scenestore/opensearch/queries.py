"""Search bodies: filters, the guide, pages of keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scenestore.entry import Scene
from scenestore.filters import Filter
from scenestore.listing import Unit
from scenestore.opensearch.expressions import all_of, any_of, holds
from scenestore.opensearch.fields import ENTRY_FIELDS

GUIDE_SHAPE = "hits.hits.sort"
"""What is asked of the answer to a guide."""
FETCH_SHAPE = "hits.hits._source"
"""What is asked of the answer to a fetch."""
NO_FIELDS: dict[str, Any] = {"_source": False, "stored_fields": "_none_"}
"""Asks for nothing of a hit but its sort values: without it every hit's `_id` is read from the
stored fields, ten times the time of the search itself for the 1,000 hits of a guide (measured)."""
LIVE: dict[str, Any] = {"exists": {"field": "key"}}
"""Holds for entries, not for tombstones."""
FIRST: dict[str, Any] = {"term": {"first": True}}
"""Holds for the first entry of each scene."""


def filters(where: Filter) -> list[dict[str, Any]]:
    """The conditions of a filter, all of which must hold; none when it is empty."""
    conditions: list[dict[str, Any]] = []
    if where.collections:
        conditions.append({"terms": {"collection": list(where.collections)}})
    if where.scenes:
        conditions.append(any_scene(where.scenes))
    if where.without_scenes:
        conditions.append({"bool": {"must_not": [any_scene(where.without_scenes)]}})
    return [*conditions, *map(holds, where.conditions())]


def any_scene(scenes: Iterable[Scene]) -> dict[str, Any]:
    """One of the (collection, scene) pairs."""
    by_collection: dict[str, list[str]] = {}
    for collection, scene in scenes:
        by_collection.setdefault(collection, []).append(scene)
    return any_of(
        all_of({"term": {"collection": collection}}, {"terms": {"scene": names}})
        for collection, names in by_collection.items()
    )


def guide_body(
    terms: Sequence[str], weights: Sequence[float], size: int, where: Filter
) -> dict[str, Any]:
    """The best `size` documents by sparse score; at most 1,024 terms.

    Equal scores are common (weights have 9 bits), so the key decides; the sort values alone carry
    score and key.
    """
    clauses = [
        {"rank_feature": {"field": f"sp.{term}", "linear": {}, "boost": weight}}
        for term, weight in zip(terms, weights, strict=True)
    ]
    return {
        "query": {"bool": {"should": clauses, "minimum_should_match": 1, "filter": filters(where)}},
        "sort": [{"_score": "desc"}, {"key": "asc"}],
        "size": size,
        "track_total_hits": False,
        **NO_FIELDS,
    }


def selected(where: Filter, unit: Unit) -> dict[str, Any]:
    """The live entries, or the first of each scene, that pass the filter."""
    return all_of(LIVE if unit == "entry" else FIRST, *filters(where))


def count_body(where: Filter, unit: Unit = "entry") -> dict[str, Any]:
    """How many entries, or scenes, pass the filter, exactly."""
    return {"query": selected(where, unit), "size": 0, "track_total_hits": True}


def counts_body(where: Filter, cells: int) -> dict[str, Any]:
    """How many entries pass the filter in each of so many cells."""
    return {
        "query": all_of(LIVE, *filters(where)),
        "size": 0,
        "track_total_hits": False,
        "aggs": {"cells": {"terms": {"field": "cluster", "size": cells}}},
    }


def fetch_body(keys: Sequence[int], where: Filter) -> dict[str, Any]:
    """The entries of the given keys that are live and pass the filter, in no order."""
    return {
        "query": all_of({"terms": {"key": list(keys)}}, *filters(where)),
        "size": len(keys),
        "track_total_hits": False,
        "_source": ["key", *ENTRY_FIELDS],
    }


def page_body(
    query: dict[str, Any], order: Sequence[str], size: int, after: Sequence[Any] | None
) -> dict[str, Any]:
    """The next `size` documents in ascending order of the given fields."""
    body: dict[str, Any] = {
        "query": query,
        "sort": [{field: "asc"} for field in order],
        "size": size,
        "track_total_hits": False,
    }
    return body if after is None else {**body, "search_after": list(after)}
