"""The API's paths: what each of them answers with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import attr
from fastapi import Request
from fastapi.responses import JSONResponse
from stac_fastapi.api.models import GeoJSONResponse
from stac_fastapi.extensions.filter.client import AsyncBaseFiltersClient
from stac_fastapi.extensions.sort.client import AsyncBaseSortablesClient
from stac_fastapi.types.core import AsyncBaseCoreClient

from query_service.archive import Held
from query_service.errors import NotFoundError
from query_service.service import service_of
from query_service.stac.asked import ItemsParameters, SearchBody, SearchParameters
from query_service.stac.collections import collection
from query_service.stac.conformance import CLASSES
from query_service.stac.items import STAC_VERSION, item
from query_service.stac.links import Link, Links
from query_service.stac.page import Page, entry_of, page
from query_service.stac.queryables import FIELDS, queryables, schema
from query_service.stac.question import Question, of_body, of_parameters
from scenestore.entry import Metadata
from scenestore.filters import Filter

Result = TypeVar("Result")
TITLE = "SceneSift"
DESCRIPTION = (
    "An archive of remote-sensing scenes, searched by what they show: `q` is what to find."
)
_SAMPLE = 200
"""Scenes whose properties are told as queryables."""


@attr.s
class StacClient(AsyncBaseCoreClient):
    """Answers the paths of the core, the collections and the searches."""

    def conformance_classes(self) -> list[str]:
        """What the API conforms to."""
        return list(CLASSES)

    async def landing_page(self, request: Request, **_: Any) -> JSONResponse:  # type: ignore[override]
        """`/`: what there is, and where."""
        names = await _worked(request, lambda: service_of(request).archive.collections)
        return JSONResponse(
            {
                "type": "Catalog",
                "stac_version": STAC_VERSION,
                "id": "scenesift",
                "title": TITLE,
                "description": DESCRIPTION,
                "conformsTo": self.conformance_classes(),
                "links": Links.of(request).landing(names),
            }
        )

    async def all_collections(self, request: Request, **_: Any) -> JSONResponse:  # type: ignore[override]
        """`/collections`: all of them."""
        links, archive = Links.of(request), service_of(request).archive

        def described() -> list[dict[str, Any]]:
            with archive.held() as held:
                return [_described(name, held, links) for name in archive.collections]

        found = await _worked(request, described)
        counts = {"numberMatched": len(found), "numberReturned": len(found)}
        return JSONResponse({"collections": found, "links": links.collections(), **counts})

    async def get_collection(  # type: ignore[override]
        self, collection_id: str, request: Request, **_: Any
    ) -> JSONResponse:
        """`/collections/NAME`: one of them; NotFoundError."""
        links, archive = Links.of(request), service_of(request).archive

        def described() -> dict[str, Any]:
            _check(collection_id, archive.collections)
            with archive.held() as held:
                return _described(collection_id, held, links)

        return JSONResponse(await _worked(request, described))

    async def get_item(  # type: ignore[override]
        self, item_id: str, collection_id: str, request: Request, **_: Any
    ) -> GeoJSONResponse:
        """`/collections/NAME/items/ID`: one scene; NotFoundError."""
        links, archive = Links.of(request), service_of(request).archive

        def found() -> dict[str, Any]:
            with archive.held() as held:
                entry = entry_of(held.generation, collection_id, item_id)
            if entry is None:
                raise NotFoundError(
                    f"collection {collection_id[:80]!a} has no item {item_id[:200]!a}; take an id "
                    "from a search"
                )
            return item(entry, links)

        return GeoJSONResponse(await _worked(request, found))

    async def get_search(self, request: Request, **asked: Any) -> GeoJSONResponse:  # type: ignore[override]
        """`/search` by GET."""
        return await _by_get(request, of_parameters(SearchParameters(**asked)))

    async def post_search(  # type: ignore[override]
        self, search_request: SearchBody, request: Request, **_: Any
    ) -> GeoJSONResponse:
        """`/search` by POST."""
        question = of_body(search_request)
        links = Links.of(request)
        found = await _worked(request, lambda: page(service_of(request), question))
        here, body = links.at("search"), search_request.sent
        more = [links.next_post(here, body, found.token)] if found.token else []
        return _collected(found, question, links, [*links.page(here), *more])

    async def item_collection(  # type: ignore[override]
        self, request: Request, **asked: Any
    ) -> GeoJSONResponse:
        """`/collections/NAME/items`: its scenes, searched; NotFoundError."""
        question = of_parameters(ItemsParameters(**asked))
        archive = service_of(request).archive
        await _worked(request, lambda: _check(asked["collection_id"], archive.collections))
        return await _by_get(request, question)


@attr.s
class Queryables(AsyncBaseFiltersClient):
    """Answers `/queryables` and `/collections/NAME/queryables`."""

    async def get_queryables(  # type: ignore[override]
        self, request: Request, collection_id: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """What filters can name; of a collection, the properties of some of its scenes too."""
        links, archive = Links.of(request), service_of(request).archive
        if collection_id is None:
            return schema(links.at("queryables"), "What filters can name", FIELDS, others=True)

        def found() -> dict[str, Any]:
            _check(collection_id, archive.collections)
            with archive.held() as held:
                return queryables(_some(held, collection_id))

        names = await _worked(request, found)
        here = links.at("collections", collection_id, "queryables")
        return schema(here, f"What filters can name in {collection_id}", names, others=True)


@attr.s
class Sortables(AsyncBaseSortablesClient):
    """Answers `/sortables` and `/collections/NAME/sortables`."""

    async def get_sortables(  # type: ignore[override]
        self, request: Request, **_: Any
    ) -> dict[str, Any]:
        """What orders can name."""
        return schema(Links.of(request).at("sortables"), "What orders can name", _ORDERS, True)

    async def get_collection_sortables(  # type: ignore[override]
        self, collection_id: str, request: Request, **_: Any
    ) -> dict[str, Any]:
        """The same; NotFoundError."""
        archive = service_of(request).archive
        await _worked(request, lambda: _check(collection_id, archive.collections))
        here = Links.of(request).at("collections", collection_id, "sortables")
        return schema(here, f"What orders can name in {collection_id}", _ORDERS, True)


def _described(name: str, held: Held, links: Links) -> dict[str, Any]:
    where = Filter(collections=(name,))
    return collection(name, held.generation.documents.extent("chip", where), links)


def _some(held: Held, name: str) -> Iterator[Metadata]:
    where = Filter(collections=(name,))
    for found in held.generation.documents.listing("chip", where, (), _SAMPLE, None, "scene"):
        yield found.entry.metadata


_ORDERS = {name: schema for name, schema in FIELDS.items() if name != "geometry"}


async def _worked(request: Request, work: Callable[[], Result]) -> Result:
    return await service_of(request).work.run(work)


async def _by_get(request: Request, question: Question) -> GeoJSONResponse:
    links = Links.of(request)
    found = await _worked(request, lambda: page(service_of(request), question))
    asked, here = request.query_params.multi_items(), str(request.url.replace(query=""))
    more = [links.next_get(here, asked, found.token)] if found.token else []
    return _collected(found, question, links, [*links.page(str(request.url)), *more])


def _collected(
    found: Page, question: Question, links: Links, around: list[Link]
) -> GeoJSONResponse:
    items = (item(entry, links, why) for entry, why in found.scenes)
    return GeoJSONResponse(
        {
            "type": "FeatureCollection",
            "features": [question.fields.of(each) for each in items],
            "links": around,
            "numberReturned": len(found.scenes),
            **({} if found.matched is None else {"numberMatched": found.matched}),
        }
    )


def _check(name: str, names: Iterable[str]) -> None:
    known = list(names)
    if name not in known:
        raise NotFoundError(
            f"there is no collection {name[:80]!a}; there are: {', '.join(known) or 'none'}"
        )
