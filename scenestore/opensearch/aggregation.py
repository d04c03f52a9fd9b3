"""Counts by group, exact on any number of shards: no answer leaves out what a shard has.

A plain `terms` or `geotile_grid` would: each shard tells of its own largest groups. Composite ones
come page by page in the order of values. Time is not among them: with a query beside it, a
composite date histogram loses the first group of every page after the first (3.8). The plain one
is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from scenestore.aggregation import MOST_GROUPS, Counts, Grouping, counted

SHAPE = "hits.total.value,aggregations"
"""What is asked of the answer."""
_PAGE = 10_000
"""Groups of one answer."""
_FORMATS = {"year": "yyyy", "month": "yyyy-MM", "day": "yyyy-MM-dd"}
_FIELDS = {"collection": "collection", "term": "top_terms", "tile": "center"}

Search = Callable[[dict[str, Any]], dict[str, Any]]


def counts(search: Search, query: dict[str, Any], grouping: Grouping) -> Counts:
    """The groups of the documents that a query finds."""
    field = _FIELDS.get(grouping.by, "datetime")
    asked = _histogram(grouping) if field == "datetime" else _composite(grouping, None)
    both = {"groups": asked, "missing": {"missing": {"field": field}}}
    first = search({"query": query, "size": 0, "track_total_hits": True, "aggs": both})
    answer = first["aggregations"]
    groups: Iterable[tuple[str, int]]
    if field == "datetime":
        buckets = answer["groups"]["buckets"]
        groups = ((bucket["key_as_string"], bucket["doc_count"]) for bucket in buckets)
    else:
        groups = _all(search, query, grouping, answer["groups"])
    total: int = first["hits"]["total"]["value"]
    return counted(groups, grouping, total, answer["missing"]["doc_count"])


def _all(
    search: Search, query: dict[str, Any], grouping: Grouping, found: dict[str, Any]
) -> Iterator[tuple[str, int]]:
    """All groups by value, page by page; not many more than are counted at all."""
    for _ in range(0, MOST_GROUPS + _PAGE, _PAGE):
        for bucket in found["buckets"]:
            yield bucket["key"]["value"], bucket["doc_count"]
        if len(found["buckets"]) < _PAGE:
            return
        aggregations = {"groups": _composite(grouping, found["after_key"])}
        body = {"query": query, "size": 0, "track_total_hits": False, "aggs": aggregations}
        found = search(body)["aggregations"]["groups"]


def _composite(grouping: Grouping, after: dict[str, Any] | None) -> dict[str, Any]:
    how: dict[str, Any] = {"field": _FIELDS[grouping.by]}
    kind = "geotile_grid" if grouping.by == "tile" else "terms"
    if grouping.by == "tile":
        how["precision"] = grouping.zoom
    composite: dict[str, Any] = {"size": _PAGE, "sources": [{"value": {kind: how}}]}
    return {"composite": composite if after is None else {**composite, "after": after}}


def _histogram(grouping: Grouping) -> dict[str, Any]:
    how = {"calendar_interval": grouping.by, "format": _FORMATS[grouping.by], "min_doc_count": 1}
    return {"date_histogram": {"field": "datetime", **how}}
