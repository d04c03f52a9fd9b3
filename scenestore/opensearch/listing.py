"""Pages of a listing: the search body, and what its hits are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scenestore.listing import Listed, Order, Position, Value
from scenestore.opensearch.fields import ENTRY_FIELDS, entry

SHAPE = "hits.hits.sort,hits.hits._source"
"""What is asked of the answer."""
_LISTS = {"number": "numbers", "text": "texts"}
"""Where properties of a type stand, each with its name."""
_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1


def page_body(
    query: dict[str, Any], order: Sequence[Order], size: int, after: Position | None
) -> dict[str, Any]:
    """The next `size` of the documents that a query finds."""
    ties = [{name: "asc"} for name in ("collection", "scene", "key")]
    body = {
        "query": query,
        "sort": [*map(_sorting, order), *ties],
        "size": size,
        # Where nothing is counted, Lucene passes over documents by the places of what orders them,
        # and those of a nested value are not its document's: hits are lost (3.8).
        "track_total_hits": any(one.subject.is_property for one in order),
        "_source": ["key", *ENTRY_FIELDS],
    }
    if after is None:
        return body
    known = [_given(value, one) for value, one in zip(after, order, strict=False)]
    return {**body, "search_after": [*known, *after[len(order) :]]}


def listed(hit: Mapping[str, Any], order: Sequence[Order]) -> Listed:
    """What a hit of such a page is."""
    values = hit["sort"]
    known = [_known(value, one) for value, one in zip(values, order, strict=False)]
    return Listed(hit["_source"]["key"], entry(hit["_source"]), (*known, *values[len(order) :]))


def _sorting(one: Order) -> dict[str, Any]:
    on = one.subject
    how: dict[str, Any] = {"order": "desc" if one.descending else "asc", "missing": "_last"}
    if not on.is_property:
        return {on.name: how}
    path = _LISTS[on.type]
    named = {"path": path, "filter": {"term": {f"{path}.name": on.name}}}
    return {f"{path}.value": {**how, "nested": named}}


def _given(value: Value, one: Order) -> Value:
    """A value of a position as OpenSearch spells it: what is missing has the last of all values."""
    if value is not None or one.subject.type == "text":
        return value
    if one.subject.type == "instant":
        return _LEAST if one.descending else _GREATEST
    return "-Infinity" if one.descending else "Infinity"


def _known(value: Value, one: Order) -> Value:
    """The value of a position that OpenSearch spells so."""
    return None if value == _given(None, one) else value
