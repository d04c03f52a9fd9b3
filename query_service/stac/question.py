"""What a search of items asks, checked; each problem is said in a line that says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from query_service.question import LONGEST_TEXT
from query_service.request import RequestError
from query_service.stac import filters
from query_service.stac.asked import (
    DEFAULT_LIMIT,
    LARGEST_LIMIT,
    ItemsParameters,
    SearchBody,
    SearchParameters,
)
from query_service.stac.fields import EVERYTHING, Fields
from query_service.stac.ids import scene_of
from scenestore.conditions import ANY_TIME, GeoJson, conditions, interval, names
from scenestore.errors import FilterError
from scenestore.expression import FALSE, SCENE, Expression, OneOf
from scenestore.filters import Filter

MOST_FIELDS = 100
"""Members to include and to exclude."""
_CRS84 = {"http://www.opengis.net/def/crs/OGC/1.3/CRS84", "CRS84", "OGC:CRS84"}
_LANGUAGES = {"cql2-text", "cql2-json"}
_WORD = re.compile(r'(?<![^\s(])-"[^"]*"|[^\s()"]+')
"""Of free text that may be a formula: its brackets and quotes say nothing of a meaning."""
_JOINS = {"AND", "OR", "+", "-"}


@dataclass(frozen=True)
class Question:
    """Which items, in which order, how many of them, and which of their members."""

    where: Filter
    text: str | None = None
    order: tuple[str, ...] = ()
    """Names, with a minus before those from the highest down; empty where none was asked for."""
    limit: int = DEFAULT_LIMIT
    token: str | None = None
    fields: Fields = EVERYTHING


def of_parameters(asked: SearchParameters | ItemsParameters) -> Question:
    """What is asked by GET; RequestError or FilterError where it cannot be."""
    if isinstance(asked, ItemsParameters):
        collections, ids, intersects = [asked.collection_id], None, None
    else:
        collections, ids = _names(asked.collections), _names(asked.ids)
        intersects = asked.intersects or None
    return Question(
        _where(collections, ids, asked.bbox or None, intersects, asked.datetime, _filters(asked)),
        _text(asked.q),
        _orders((name.strip() for name in asked.sortby.split(",")) if asked.sortby else ()),
        checked_limit(asked.limit),
        asked.token or None,
        _checked_fields(Fields.parse(asked.fields or "")),
    )


def of_body(body: SearchBody) -> Question:
    """What is asked by POST; RequestError or FilterError where it cannot be."""
    _check_text(body)
    fields = body.fields
    directions = {"asc": "+", "desc": "-"}
    for each in body.sortby or ():
        if each.direction not in directions:
            raise RequestError(f"sortby: direction {each.direction[:20]!a}; give asc or desc")
    return Question(
        _where(
            body.collections or (),
            body.ids,
            body.bbox,
            body.intersects,
            body.datetime,
            _filters(body),
        ),
        _text(", ".join(body.q) if isinstance(body.q, list) else body.q),
        _orders(f"{directions[each.direction]}{each.field}" for each in body.sortby or ()),
        checked_limit(DEFAULT_LIMIT if body.limit is None else body.limit),
        body.token or None,
        _checked_fields(Fields(tuple(fields.include or ()), tuple(fields.exclude or ())))
        if fields
        else EVERYTHING,
    )


def _check_text(body: SearchBody) -> None:
    """The link to the next page says again what was sent, so it has to be JSON that can be."""
    try:
        json.dumps(body.sent, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise RequestError(
            "the body has a number that is not finite, half a pair of letters, or is nested deep; "
            "leave that out"
        ) from error


def _where(
    collections: Sequence[str],
    ids: Sequence[str] | None,
    bbox: str | Sequence[float] | None,
    intersects: GeoJson | None,
    when: str | None,
    others: list[Expression],
) -> Filter:
    if bbox is not None and intersects is not None:
        raise RequestError("bbox and intersects are both given; give one of them")
    if ids:
        scenes = [scene_of(id) for id in names("ids", ids)]
        known = tuple(scene for scene in scenes if scene is not None)
        others = [OneOf(SCENE, known) if known else FALSE, *others]
    time = interval(when) if when else ANY_TIME
    return conditions(collections, time, bbox, intersects=intersects, others=others)


def _filters(asked: SearchParameters | ItemsParameters | SearchBody) -> list[Expression]:
    language, crs = asked.filter_lang, asked.filter_crs
    if language and language not in _LANGUAGES:
        raise FilterError(f"filter-lang {language[:40]!a}; give cql2-text or cql2-json")
    if crs and crs not in _CRS84:
        raise FilterError(f"filter-crs {crs[:80]!a} is not CRS84; leave it out")
    return [] if asked.filter is None else [filters.read(asked.filter)]


def _names(text: str | None) -> list[str]:
    return [name for name in (text or "").split(",") if name]


def _checked_fields(fields: Fields) -> Fields:
    if len(fields.include) + len(fields.exclude) > MOST_FIELDS:
        raise RequestError(f"fields: more than {MOST_FIELDS} are named; name fewer")
    return fields


def _text(text: str | None) -> str | None:
    """The words of free text, those that it keeps away from with a minus."""
    if text is None:
        return None
    if len(text) > LONGEST_TEXT:
        raise RequestError(
            f"q: {len(text):,} characters are more than {LONGEST_TEXT:,}; shorten it"
        )
    words = (word.removeprefix("+") for word in _WORD.findall(text) if word not in _JOINS)
    return " ".join(words)


def _orders(names: Iterable[str]) -> tuple[str, ...]:
    """Orders as `-name` or `name`; a plus may have come as a blank."""
    signs = ((name[:1] if name[:1] in ("+", "-") else "", name) for name in names if name)
    return tuple(
        sign.replace("+", "") + name.removeprefix(sign).strip().removeprefix("properties.")
        for sign, name in signs
    )


def checked_limit(limit: int) -> int:
    """How many a page has; RequestError where none are asked for."""
    if limit < 1:
        raise RequestError("limit is below 1; ask for at least 1")
    return min(limit, LARGEST_LIMIT)
