"""A search as the service does it: from what was asked to hits with what they are shown by."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial

from query_service.answer import Answer, Hit
from query_service.mixing import Query, query_of
from query_service.paging import Token, conditions_digest
from query_service.question import Question, inline_image
from query_service.request import After, RequestError, SearchRequest
from query_service.rest.asked import SearchBody
from query_service.service import Service
from query_service.shown import captions
from scenestore.conditions import ANY_TIME, conditions, interval
from scenestore.entry import scene_of
from scenestore.filters import Filter


@dataclass(frozen=True)
class Shown:
    """A hit with a sentence about its scene."""

    hit: Hit
    rank: int
    """Of all pages, the first is 1."""
    caption: str | None


@dataclass(frozen=True)
class Found:
    """What a search found."""

    answer: Answer
    hits: tuple[Shown, ...]
    next: str | None
    """Token of the next page; None where there is none."""
    explain: bool


def find(service: Service, asked: SearchBody, upload: bytes | None = None) -> Found:
    """Answer a search; `upload` is the content of an image file. Raises SceneSiftError."""
    where = where_of(asked)
    token = None if asked.token is None else Token.parse(asked.token)
    question = _question(service, asked, upload, is_needed=token is None)
    request = SearchRequest(
        text="-",  # stands for the query's vector, which only a generation's model gives
        kind=asked.kind,
        k=asked.k,
        recall=asked.recall,
        strategy=asked.strategy,
        where=where,
        group_by=asked.group_by,
        min_score=asked.min_score,
        partial=asked.partial,
    )
    same = conditions_digest(request)
    if token is not None:
        token.check(same, question.digest if question else None)
        request = replace(request, after=token.after)
    with service.archive.held(token.generation if token else None) as held:
        check_collections(service, asked.collections)
        started = time.perf_counter()
        if token is not None:
            query, digest = token.query, token.question
        else:
            assert question is not None
            read = partial(service.archive.read_image, most_pixels=service.settings.image_pixels)
            query, digest = query_of(question, held, service.encoding, read), question.digest
        encoded = 1000 * (time.perf_counter() - started)
        answer = held.searcher.search(_of(request, query, where), asked.explain)
        scenes = [scene_of(hit.entry.identity) for hit in answer.hits if not hit.entry.caption]
        missing = list(answer.missing) if asked.partial else None
        shown = captions(held.generation, scenes, missing)
        if missing:
            answer = replace(answer, missing=tuple(dict.fromkeys(missing)))
        generation = held.name
    rank = token.after.rank if token else 0
    hits = tuple(
        Shown(hit, rank + place, hit.entry.caption or shown.get(scene_of(hit.entry.identity)))
        for place, hit in enumerate(answer.hits, start=1)
    )
    following = None
    if len(hits) == asked.k:
        last = hits[-1]
        after = After(last.hit.score, last.hit.key, last.rank)
        following = Token(generation, digest, same, after, query).spell()
    answer = _timed(answer, encoded, query)
    service.metrics.searched(answer, asked.kind)
    return Found(answer, hits, following, asked.explain)


def where_of(asked: SearchBody) -> Filter:
    """The conditions of a search; FilterError says which cannot be."""
    return conditions(
        asked.collections,
        ANY_TIME if asked.datetime is None else interval(asked.datetime),
        asked.bbox,
        (asked.min_cloud, asked.max_cloud),
        filter=asked.filter,
        intersects=asked.intersects,
    )


def _question(
    service: Service, asked: SearchBody, upload: bytes | None, is_needed: bool
) -> Question | None:
    """The question that is asked; None where a token stands for it."""
    if upload is not None and asked.image is not None:
        raise RequestError("image: it is sent twice, inline and as a file; send it once")
    image = upload
    if asked.image is not None:
        image = inline_image(asked.image, service.settings.image_bytes)
    if image is not None and not image:
        raise RequestError("image: the file is empty; send one with an image in it")
    if not is_needed and not (asked.text or image or asked.like or asked.unlike):
        return None
    return Question.of(asked.text, image, tuple(asked.like), tuple(asked.unlike))


def check_collections(service: Service, names: list[str]) -> None:
    """Raise RequestError where there is no collection of such a name."""
    known = service.archive.collections if names else ()
    for name in names:
        if name not in known:
            raise RequestError(
                f"there is no collection {name[:80]!a}; /stac/collections has their names"
            )


def _of(request: SearchRequest, query: Query, where: Filter) -> SearchRequest:
    without = replace(where, without_scenes=query.without)
    return replace(request, text=None, embedding=query.vector, embedded=query.asked, where=without)


def _timed(answer: Answer, encoded: float, query: Query) -> Answer:
    """With the time that the query took to encode; of mixtures nothing was calibrated."""
    spent = dict(answer.milliseconds)
    spent["embedding"] = spent.get("embedding", 0.0) + encoded
    spent["total"] = spent.get("total", 0.0) + encoded
    expected = None if query.asked is None else answer.expected_recall
    return replace(answer, milliseconds=spent, expected_recall=expected)
