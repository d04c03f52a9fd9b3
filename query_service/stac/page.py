"""Pages of scenes: the most alike first where a text is given, else in the order asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from query_service.answer import Hit
from query_service.archive import ServedArchive
from query_service.request import RequestError, SearchRequest
from query_service.stac.ids import scene_of
from query_service.stac.items import Found
from query_service.stac.question import Question
from query_service.stac.token import Token
from scenestore.entry import Entry
from scenestore.expression import SCENE, OneOf
from scenestore.filters import Filter
from scenestore.generation import Generation
from scenestore.listing import orders

NEWEST_FIRST = ("-datetime",)
"""Where no order was asked for."""


@dataclass(frozen=True)
class Page:
    """Scenes, an entry each, why they were found, and how to go on."""

    scenes: tuple[tuple[Entry, Found | None], ...]
    token: str | None
    """Where the next page begins; None where this is the last."""
    matched: int
    """Scenes that pass the filter."""


def page(archive: ServedArchive, question: Question) -> Page:
    """The scenes that a question asks for, from where its token says."""
    if question.text is None:
        return _listed(archive, question)
    if question.order:
        raise RequestError("q orders by likeness; leave out sortby, or leave out q")
    return _ranked(archive, question, question.text)


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
    after = Token.read(question.token, asked).position if question.token else None
    with archive.held() as held:
        documents = held.generation.documents
        found = documents.listing("chip", where, order, limit + 1, after, "scene")
        matched = documents.count("chip", where, "scene")
    shown = found[:limit]
    token = Token(shown[-1].position).written(asked) if len(found) > limit else None
    return Page(tuple((each.entry, None) for each in shown), token, matched)


def _ranked(archive: ServedArchive, question: Question, text: str) -> Page:
    """The most alike first; all pages come from one generation."""
    where, limit = question.where, question.limit
    asked = (where, text)
    before, last = 0, (math.inf, -1)
    token = Token.read(question.token, asked) if question.token else Token(())
    match token.position:
        case [int(before), float(score), int(key)]:
            last = score, key
        case []:
            pass
        case _:
            raise RequestError("the token is none of ours; begin at the first page")
    with archive.held(token.generation or None) as held:
        k = before + limit + 1
        while True:
            answer = held.searcher.search(SearchRequest(text=text, k=k, where=where))
            best: dict[tuple[str, str], Hit] = {}
            for hit in answer.hits:
                who = hit.entry.identity
                best.setdefault((who.collection, who.scene), hit)
            after = [hit for hit in best.values() if (-hit.score, hit.key) > (-last[0], last[1])]
            if len(after) > limit or len(answer.hits) < k:
                break
            k *= 2
        matched = held.generation.documents.count("chip", where, "scene")
    shown = after[:limit]
    found = tuple((hit.entry, Found(hit.score, hit.percentile, hit.terms)) for hit in shown)
    if len(after) <= limit:
        return Page(found, None, matched)
    position = (before + limit, shown[-1].score, shown[-1].key)
    return Page(found, Token(position, answer.generation).written(asked), matched)
