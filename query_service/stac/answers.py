"""What the paths of the API answer with. It asks the archive, so it blocks: for threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import Request

from query_service.archive import Held
from query_service.errors import NotFoundError
from query_service.service import service_of
from query_service.stac.asked import (
    CollectionsParameters,
    ItemsParameters,
    SearchBody,
    SearchParameters,
)
from query_service.stac.collection_page import CollectionsAsked
from query_service.stac.collections import collection
from query_service.stac.conformance import CLASSES
from query_service.stac.items import STAC_VERSION, item
from query_service.stac.links import GEOJSON, JSON, Link, Links
from query_service.stac.page import Page, entry_of, page
from query_service.stac.queryables import FIELDS, SORTABLES, queryables, schema
from query_service.stac.question import Question, of_body, of_parameters
from scenestore.entry import Metadata
from scenestore.extent import Extent
from scenestore.filters import Filter

Json = dict[str, Any]

TITLE = "SceneSift"
DESCRIPTION = (
    "An archive of remote-sensing scenes, searched by what they show: `q` is what to find."
)
_SAMPLE = 200
"""Scenes whose properties are told as queryables."""


class Answers:
    """The answers to one request, as JSON. They raise SceneSiftError."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._service = service_of(request)
        self._archive = self._service.archive
        self._links = Links.of(request)

    def landing(self) -> Json:
        """What there is, and where."""
        return {
            "type": "Catalog",
            "stac_version": STAC_VERSION,
            "id": "scenesift",
            "title": TITLE,
            "description": DESCRIPTION,
            "conformsTo": list(CLASSES),
            "links": self._links.landing(self._archive.collections),
        }

    def collections(self, asked: CollectionsParameters) -> Json:
        """A page of them."""
        question = CollectionsAsked.of(asked)
        with self._archive.held() as held:
            found = question.page(self._archive.collections, held.generation.documents)
        around = self._links.collections(str(self._request.url))
        if found.token:
            around.append(self._next(found.token))
        return {
            "collections": [collection(*each, self._links) for each in found.found],
            "links": around,
            "numberMatched": found.matched,
            "numberReturned": len(found.found),
        }

    def collection(self, name: str) -> Json:
        """One of them; NotFoundError."""
        self._check(name)
        with self._archive.held() as held:
            return self._collection(name, held)

    def item(self, name: str, id: str) -> Json:
        """One scene of a collection; NotFoundError."""
        with self._archive.held() as held:
            entry = entry_of(held.generation, name, id)
        if entry is None:
            raise NotFoundError(
                f"collection {name[:80]!a} has no item {id[:200]!a}; take an id from a search"
            )
        return item(entry, self._links)

    def items(self, asked: ItemsParameters) -> Json:
        """Scenes of one collection; NotFoundError."""
        self._check(asked.collection_id)
        return self.found_by_get(asked)

    def found_by_get(self, asked: SearchParameters | ItemsParameters) -> Json:
        """A page of what a URL asks for."""
        question = of_parameters(asked)
        found = page(self._service, question)
        around = self._links.page(str(self._request.url))
        if found.token:
            around.append(self._next(found.token, GEOJSON))
        return self._found(found, question, around)

    def found_by_post(self, body: SearchBody) -> Json:
        """A page of what a body asks for."""
        question = of_body(body)
        found, here = page(self._service, question), self._links.at("search")
        around = self._links.page(here)
        if found.token:
            around.append(self._links.next_post(here, body.sent, found.token))
        return self._found(found, question, around)

    def queryables(self, name: str | None) -> Json:
        """What filters can name; of a collection, the properties of some of its scenes too."""
        if name is None:
            at = self._links.at("queryables")
            return schema(at, "What filters can name", FIELDS, others=True)
        self._check(name)
        with self._archive.held() as held:
            names = queryables(self._some(name, held))
        at = self._links.at("collections", name, "queryables")
        return schema(at, f"What filters can name in {name}", names, others=True)

    def sortables(self, name: str | None) -> Json:
        """What orders can name, beside other properties."""
        if name is not None:
            self._check(name)
        at = self._links.at(*(("collections", name) if name else ()), "sortables")
        return schema(at, "What orders can name", SORTABLES, others=True)

    def _next(self, token: str, type: str = JSON) -> Link:
        """The page after the one that was asked for by GET."""
        url, query = self._request.url, self._request.query_params.multi_items()
        return self._links.next_get(str(url.replace(query="")), query, token, type)

    def _check(self, name: str) -> None:
        known = self._archive.collections
        if name not in known:
            raise NotFoundError(
                f"there is no collection {name[:80]!a}; /stac/collections has their names"
            )

    def _collection(self, name: str, held: Held) -> Json:
        known = held.generation.documents.extents("chip", Filter(collections=(name,)))
        return collection(name, known.get(name, Extent()), self._links)

    def _some(self, name: str, held: Held) -> Iterator[Metadata]:
        """Of some scenes of a collection."""
        where = Filter(collections=(name,))
        for found in held.generation.documents.listing("chip", where, (), _SAMPLE, None, "scene"):
            yield found.entry.metadata

    def _found(self, found: Page, question: Question, around: list[Link]) -> Json:
        items = (item(entry, self._links, why) for entry, why in found.scenes)
        return {
            "type": "FeatureCollection",
            "features": [question.fields.of(each) for each in items],
            "links": around,
            "numberReturned": len(found.scenes),
            **({} if found.matched is None else {"numberMatched": found.matched}),
        }
