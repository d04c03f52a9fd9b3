"""The app: what the service is composed of, a line a part."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Depends, FastAPI

from query_service import health, page, sign_in
from query_service.archive import ServedArchive
from query_service.guards import stand_guard
from query_service.keys import BEARER
from query_service.problem import report_problems
from query_service.rest import aggregate, entries, search
from query_service.service import Service
from query_service.settings import ServiceSettings
from query_service.stac.app import landing_page, stac_app
from query_service.stac.links import PREFIX

DESCRIPTION = """Search a remote-sensing archive by text, by an image, or by entries that are known,
under filters on time, place, clouds and any property."""

ROUTERS = (page.router, search.router, entries.router, aggregate.router, health.router)


def create_app(open_archive: Callable[[], ServedArchive], settings: ServiceSettings) -> FastAPI:
    """The service on one archive, which is opened when the app starts and closed when it ends."""
    service = Service(open_archive, settings)
    app = FastAPI(
        title="SceneSift",
        description=DESCRIPTION,
        version="0.1.0",
        lifespan=service.lifespan,
        dependencies=[Depends(BEARER)] if settings.keys else [],
        docs_url=None,  # these pages load scripts of other hosts
        redoc_url=None,
    )
    app.state.service = service
    report_problems(app)
    for router in ROUTERS:
        app.include_router(router)
    if settings.keys:
        app.include_router(sign_in.router)
    app.add_api_route(PREFIX, landing_page, include_in_schema=False)  # a mount asks for a slash
    app.mount(PREFIX, stac_app(service))
    stand_guard(app, settings, service.metrics, service.ring)
    return app
