"""What the paths of the API answer with. It asks the archive, so it blocks: for threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import Request

from query_service.archive import Held
from query_service.errors import NotFoundError
from query_service.service import service_of
from query_service.stac.asked import ItemsParameters, SearchBody, SearchParameters
from query_service.stac.collections import collection
from query_service.stac.conformance import CLASSES
from query_service.stac.items import STAC_VERSION, item
from query_service.stac.links import Link, Links
from query_service.stac.page import Page, entry_of, page
from query_service.stac.queryables import FIELDS, SORTABLES, queryables, schema
from query_service.stac.question import Question, of_body, of_parameters
from scenestore.entry import Metadata
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

    def collections(self) -> Json:
        """All of them."""
        with self._archive.held() as held:
            found = [self._collection(name, held) for name in self._archive.collections]
        counts = {"numberMatched": len(found), "numberReturned": len(found)}
        return {"collections": found, "links": self._links.collections(), **counts}

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
        found, url = page(self._service, question), self._request.url
        around = self._links.page(str(url))
        if found.token:
            query = self._request.query_params.multi_items()
            around.append(self._links.next_get(str(url.replace(query="")), query, found.token))
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

    def _check(self, name: str) -> None:
        known = self._archive.collections
        if name not in known:
            raise NotFoundError(
                f"there is no collection {name[:80]!a}; there are: {', '.join(known) or 'none'}"
            )

    def _collection(self, name: str, held: Held) -> Json:
        where = Filter(collections=(name,))
        return collection(name, held.generation.documents.extent("chip", where), self._links)

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
