"""Expressions in OpenSearch's query DSL."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from scenestore.expression import (
    All,
    Bound,
    Comparable,
    Denied,
    Expression,
    Known,
    Like,
    Meets,
    OneOf,
    Some,
    Subject,
    Test,
    Unknown,
    Wild,
    Within,
    subject,
)
from scenestore.filters import Box
from scenestore.instants import written

Query = dict[str, Any]
NOTHING: Query = {"match_none": {}}
_WILD = {Wild.MANY: "*", Wild.ONE: "?"}
_MEANT = str.maketrans({letter: f"\\{letter}" for letter in "*?\\"})
_LISTS = {"number": "numbers", "instant": "dates"}
"""Where properties of a type stand beside the flat object of all of them."""


def holds(expression: Expression) -> Query:
    """What finds the entries that an expression is true for."""
    match expression:
        case All(conditions):
            return all_of(*map(holds, conditions))
        case Some(conditions):
            return any_of(map(holds, conditions))
        case Known(on):
            return _known(on)
        case Unknown(on):
            return _without(_known(on))
        case Denied(test):
            return {"bool": {"filter": [_known(subject(test))], "must_not": [_passes(test)]}}
        case Meets(place):
            return _meeting(place)
        case test:
            return _passes(test)


def all_of(*conditions: Query) -> Query:
    """A query without scores."""
    return {"bool": {"filter": list(conditions)}}


def any_of(choices: Iterable[Query]) -> Query:
    """One of the conditions holds; OpenSearch takes an empty list of them for true."""
    listed = list(choices)
    return {"bool": {"should": listed, "minimum_should_match": 1}} if listed else NOTHING


def _without(query: Query) -> Query:
    return {"bool": {"must_not": [query]}}


def _known(on: Subject) -> Query:
    """It is known, as that type."""
    if not on.is_property:
        return {"exists": {"field": on.name}}
    if on.type in _LISTS:
        return _listed(on)
    # `exists` takes a property for known where a longer or shorter name is (2.19 and 3.8).
    known = {"range": {f"properties.{on.name}": {"gte": ""}}}
    return known if on.type == "any" else _as_text(on, known)


def _passes(test: Test) -> Query:
    if isinstance(test, Meets):
        return _meeting(test.place)
    on = test.subject
    if not on.is_property:
        return _compared(test, on.name)
    if on.type in _LISTS:
        return _listed(on, _compared(test, f"{_LISTS[on.type]}.value"))
    return _as_text(on, _compared(test, f"properties.{on.name}"))


def _as_text(on: Subject, query: Query) -> Query:
    """The query holds of a property that is a text: the flat object keeps numbers as texts too."""
    return {"bool": {"filter": [query], "must_not": [_listed(on._replace(type="number"))]}}


def _listed(on: Subject, *conditions: Query) -> Query:
    """The property is among those of its type, and the conditions hold there."""
    path = _LISTS[on.type]
    return {
        "nested": {"path": path, "query": all_of({"term": {f"{path}.name": on.name}}, *conditions)}
    }


def _compared(test: Within | OneOf | Like, field: str) -> Query:
    match test:
        case Within(on, None, None):
            return {"exists": {"field": field}} if not on.is_property else all_of()
        case Within(on, low, high):
            return {"range": {field: _range(on, low, high)}}
        case OneOf(_, values, folded=True):
            # OpenSearch finds no empty text where it folds.
            return any_of(
                {"term": {field: {"value": value, "case_insensitive": value != ""}}}
                for value in values
            )
        case OneOf(_, values):
            return {"terms": {field: [*values, *([-0.0] if 0.0 in values else ())]}}
        case Like(_, pattern, folded):
            pieces = (
                _WILD[piece] if isinstance(piece, Wild) else piece.translate(_MEANT)
                for piece in pattern
            )
            return {"wildcard": {field: {"value": "".join(pieces), "case_insensitive": folded}}}


def _range(on: Subject, low: Bound | None, high: Bound | None) -> Query:
    bounds: Query = {}
    if low is not None:
        zero = -0.0 if low.included else 0.0
        bounds["gte" if low.included else "gt"] = _end(on, low.value, zero)
    if high is not None:
        zero = 0.0 if high.included else -0.0
        bounds["lte" if high.included else "lt"] = _end(on, high.value, zero)
    return {**bounds, "format": "strict_date_optional_time"} if on.type == "instant" else bounds


def _end(on: Subject, value: Comparable, zero: float) -> Comparable:
    """OpenSearch rounds milliseconds before 1970 the wrong way where it is given the number (2.19,
    3.8), and takes minus zero for less than zero."""
    if on.type == "instant":
        return written(int(value))
    return zero if on.type == "number" and value == 0 else value


def _meeting(place: Box | str) -> Query:
    if isinstance(place, Box):
        return any_of(map(_shape, map(_envelope, place.parts())))
    return _shape(json.loads(place))


def _envelope(box: Box) -> Query:
    return {"type": "envelope", "coordinates": [[box.west, box.north], [box.east, box.south]]}


def _shape(shape: Query) -> Query:
    return {"geo_shape": {"footprint": {"shape": shape, "relation": "intersects"}}}
