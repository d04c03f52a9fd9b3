"""The STAC API as an app of its own, to be mounted: its paths, errors and document are its own."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from stac_fastapi.api.app import StacApi
from stac_fastapi.api.models import GeoJSONResponse
from stac_fastapi.extensions.filter import FilterExtension
from stac_fastapi.extensions.sort.sort import (
    ItemCollectionSortExtension,
    SearchSortExtension,
)
from stac_fastapi.types.config import ApiSettings
from stac_pydantic.api import ItemCollection
from stac_pydantic.shared import MimeTypes

from query_service.body import BodyRoute
from query_service.faults import faults
from query_service.problem import problem, report_problems
from query_service.service import Service
from query_service.stac.answers import DESCRIPTION, TITLE
from query_service.stac.asked import (
    CollectionsParameters,
    ItemsParameters,
    SearchBody,
    SearchParameters,
)
from query_service.stac.client import Queryables, Sortables, StacClient
from query_service.stac.document import DocumentedApp
from query_service.stac.links import PREFIX

_BAD_REQUEST = 400
"""What STAC asks for where FastAPI says 422."""


class _Api(StacApi):
    """Without paths for health, which the service has."""

    def add_health_check(self) -> None:
        """None."""

    def register_post_search(self) -> None:
        """`/search` by POST, with its body read as all large ones are."""
        self.router.add_api_route(
            "/search",
            _search,
            name="Search",
            methods=["POST"],
            responses={
                200: {
                    "content": {MimeTypes.geojson.value: {}},
                    "model": ItemCollection,
                },
            },
            response_class=GeoJSONResponse,
            route_class_override=BodyRoute,
        )


def stac_app(service: Service) -> FastAPI:
    """The API on a service, to be mounted at PREFIX."""
    app = DocumentedApp(
        title=f"{TITLE} STAC API",
        description=DESCRIPTION,
        version="0.1.0",
        openapi_url="/api",
        docs_url=None,  # these pages load scripts of other hosts
        redoc_url=None,
    )
    app.state.service = service
    sortables = Sortables()
    _Api(
        # Everything is given, so that nothing is taken from the environment.
        settings=ApiSettings(
            _env_file=None,  # type: ignore[call-arg]
            stac_fastapi_title=TITLE,
            stac_fastapi_description=DESCRIPTION,
            stac_fastapi_version="0.1.0",
            stac_fastapi_landing_id="scenesift",
            enable_response_models=False,
            enable_direct_response=False,
            openapi_url="/api",
            docs_url="",
            root_path="",
        ),
        client=StacClient(),
        app=app,
        extensions=[
            FilterExtension(client=Queryables()),
            SearchSortExtension(client=sortables),
            ItemCollectionSortExtension(client=sortables),
        ],
        collections_get_request_model=CollectionsParameters,
        search_get_request_model=SearchParameters,
        search_post_request_model=SearchBody,
        items_get_request_model=ItemsParameters,
        middlewares=[],
    )
    app.state.router_prefix = PREFIX
    report_problems(app)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


async def _search(search: SearchBody, request: Request) -> JSONResponse:
    """Endpoint."""
    return await StacClient().post_search(search, request)


async def landing_page(request: Request) -> JSONResponse:
    """The landing page, for the app that it is mounted in."""
    return await StacClient().landing_page(request)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return problem(request, _BAD_REQUEST, faults(error.errors()))
