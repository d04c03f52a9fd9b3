"""Pages of scenes: the most alike first where a text is given, else in the order asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from query_service.archive import ServedArchive
from query_service.mixing import query_of
from query_service.paging import Token, conditions_digest
from query_service.question import Question as Words
from query_service.request import DEEPEST, After, RequestError, SearchRequest
from query_service.service import Service
from query_service.stac.ids import scene_of
from query_service.stac.items import Found
from query_service.stac.question import Question
from query_service.stac.token import parsed, spelled
from scenestore.entry import Entry
from scenestore.expression import SCENE, OneOf
from scenestore.filters import Filter
from scenestore.generation import Generation
from scenestore.listing import Position, orders

NEWEST_FIRST = ("-datetime",)
"""Where no order was asked for."""


@dataclass(frozen=True)
class Page:
    """Scenes, an entry each, why they were found, and how to go on."""

    scenes: tuple[tuple[Entry, Found | None], ...]
    token: str | None
    """Where the next page begins; None where this is the last."""
    matched: int | None
    """Scenes that passed the filter when its first page was asked for; None where pages do not
    reach all of them. Counting can cost more than the page, so its token carries the number on."""


def page(service: Service, question: Question) -> Page:
    """The scenes that a question asks for, from where its token says."""
    if question.text is None:
        return _listed(service.archive, question)
    if question.order:
        raise RequestError("q orders by likeness; leave out sortby, or leave out q")
    return _ranked(service, question, question.text)


def entry_of(generation: Generation, collection: str, id: str) -> Entry | None:
    """The entry that stands for the scene whose item has that id."""
    scene = scene_of(id)
    if scene is None:
        return None
    where = Filter(collections=(collection,), expressions=(OneOf(SCENE, (scene,)),))
    found = generation.documents.listing("chip", where, (), 1, None, "scene")
    return found[0].entry if found else None


def _listed(archive: ServedArchive, question: Question) -> Page:
    """In the order asked for; a page goes on after what the last one ended with."""
    where, limit = question.where, question.limit
    names = question.order or NEWEST_FIRST
    order = orders("scene" if name == "id" else name for name in names)
    asked = (where, names)
    matched, after = _position(question.token, asked)
    with archive.held() as held:
        documents = held.generation.documents
        found = documents.listing("chip", where, order, limit + 1, after, "scene")
        if matched is None:
            matched = documents.count("chip", where, "scene")
    shown = found[:limit]
    token = spelled((matched, *shown[-1].position), asked) if len(found) > limit else None
    return Page(tuple((each.entry, None) for each in shown), token, matched)


def _position(token: str | None, asked: object) -> tuple[int | None, Position | None]:
    """How many scenes there are, and where the page begins; RequestError for a foreign token."""
    if token is None:
        return None, None
    match parsed(token, asked):
        case (int(matched), *after) if matched >= 0:
            return matched, tuple(after)
        case _:
            raise RequestError("the token is not one of ours; begin at the first page")


def _ranked(service: Service, asked: Question, text: str) -> Page:
    """The most alike first; all pages come from one generation, and are ranked by one vector."""
    question = Words.of(text)
    request = SearchRequest(text="-", k=asked.limit + 1, where=asked.where, group_by="scene")
    same = conditions_digest(request)
    token = None if asked.token is None else Token.parse(asked.token)
    if token is not None:
        token.check(same, question.digest)
        left = DEEPEST - token.after.rank
        request = replace(request, after=token.after, k=min(request.k, left))
    with service.archive.held(token.generation if token else None) as held:
        read = partial(service.archive.read_image, most_pixels=service.settings.image_pixels)
        query = token.query if token else query_of(question, held, service.encoding, read)
        answer = held.searcher.search(
            replace(request, text=None, embedding=query.vector, embedded=query.asked)
        )
        matched = token.matched if token else None
        if matched is None:
            matched = held.generation.documents.count("chip", asked.where, "scene")
        generation = held.name
    service.metrics.searched(answer, "chip")
    shown = answer.hits[: asked.limit]
    following = None
    if len(answer.hits) > len(shown):
        last, rank = shown[-1], len(shown) + (token.after.rank if token else 0)
        after = After(last.score, last.key, rank)
        following = Token(generation, question.digest, same, after, query, matched).spell()
    found = tuple((hit.entry, Found(hit.score, hit.percentile)) for hit in shown)
    return Page(found, following, matched if matched <= DEEPEST else None)
