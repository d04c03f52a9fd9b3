"""The API's paths, as stac-fastapi calls them: each is answered by a thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attr
from fastapi import Request
from fastapi.responses import JSONResponse
from stac_fastapi.api.models import GeoJSONResponse, JSONSchemaResponse
from stac_fastapi.extensions.filter.client import AsyncBaseFiltersClient
from stac_fastapi.extensions.sort.client import AsyncBaseSortablesClient
from stac_fastapi.types.core import AsyncBaseCoreClient

from query_service.service import service_of
from query_service.stac.answers import Answers, Json
from query_service.stac.asked import (
    CollectionsParameters,
    ItemsParameters,
    SearchBody,
    SearchParameters,
)
from query_service.stac.conformance import CLASSES

# mypy: disable-error-code="override"
# stac-fastapi passes all that a path has by name, and takes answers that are made already.


@attr.s
class StacClient(AsyncBaseCoreClient):
    """The paths of the core, the collections and the searches."""

    def conformance_classes(self) -> list[str]:
        """What the API conforms to."""
        return list(CLASSES)

    async def landing_page(self, request: Request, **_: Any) -> JSONResponse:
        """`/`."""
        return await _answer(request, JSONResponse, Answers.landing)

    async def all_collections(self, request: Request, **asked: Any) -> JSONResponse:
        """`/collections`."""
        parameters = CollectionsParameters(**asked)
        return await _answer(request, JSONResponse, lambda to: to.collections(parameters))

    async def get_collection(self, collection_id: str, request: Request, **_: Any) -> JSONResponse:
        """`/collections/NAME`."""
        return await _answer(request, JSONResponse, lambda to: to.collection(collection_id))

    async def get_item(
        self, item_id: str, collection_id: str, request: Request, **_: Any
    ) -> JSONResponse:
        """`/collections/NAME/items/ID`."""
        return await _answer(request, GeoJSONResponse, lambda to: to.item(collection_id, item_id))

    async def item_collection(self, request: Request, **asked: Any) -> JSONResponse:
        """`/collections/NAME/items`."""
        parameters = ItemsParameters(**asked)
        return await _answer(request, GeoJSONResponse, lambda to: to.items(parameters))

    async def get_search(self, request: Request, **asked: Any) -> JSONResponse:
        """`/search` by GET."""
        parameters = SearchParameters(**asked)
        return await _answer(request, GeoJSONResponse, lambda to: to.found_by_get(parameters))

    async def post_search(
        self, search_request: SearchBody, request: Request, **_: Any
    ) -> JSONResponse:
        """`/search` by POST."""
        return await _answer(request, GeoJSONResponse, lambda to: to.found_by_post(search_request))


@attr.s
class Queryables(AsyncBaseFiltersClient):
    """What filters can name."""

    async def get_queryables(
        self, request: Request, collection_id: str | None = None, **_: Any
    ) -> JSONResponse:
        """`/queryables` and `/collections/NAME/queryables`."""
        return await _answer(request, JSONSchemaResponse, lambda to: to.queryables(collection_id))


@attr.s
class Sortables(AsyncBaseSortablesClient):
    """What orders can name."""

    async def get_sortables(self, request: Request, **_: Any) -> JSONResponse:
        """`/sortables`."""
        return await _answer(request, JSONSchemaResponse, lambda to: to.sortables(None))

    async def get_collection_sortables(
        self, collection_id: str, request: Request, **_: Any
    ) -> JSONResponse:
        """`/collections/NAME/sortables`."""
        return await _answer(request, JSONSchemaResponse, lambda to: to.sortables(collection_id))


async def _answer(
    request: Request, form: type[JSONResponse], work: Callable[[Answers], Json]
) -> JSONResponse:
    return await service_of(request).work.run(lambda: form(work(Answers(request))))
