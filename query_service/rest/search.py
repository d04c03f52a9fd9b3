"""`/search`: find chips or captions."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from query_service.body import BodyRoute
from query_service.problem import responses
from query_service.rest.asked import BatchBody, SearchBody, SearchParameters, form_schema
from query_service.rest.batch import SHARE, BatchTold, answer_all
from query_service.rest.found import find
from query_service.rest.received import FORM, body_of, each_once, received
from query_service.rest.representations import REPRESENTATIONS, accepted
from query_service.rest.told import AnswerTold
from query_service.service import Service, ServiceOf, service_of

router = APIRouter(tags=["search"])

_FOUND: dict[int | str, dict[str, Any]] = {
    200: {
        "model": AnswerTold,
        "description": "Hits, best first.",
        "content": {media: {} for media in REPRESENTATIONS if media != "application/json"},
    },
    **responses(400, 406, 410),
}
_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/SearchBody"}},
        FORM: {"schema": form_schema()},
    },
}


@router.get("/search", responses=_FOUND, response_class=Response, dependencies=[Depends(each_once)])
async def search_by_get(
    asked: Annotated[SearchParameters, Query()], request: Request, service: ServiceOf
) -> Response:
    """Find entries by what a URL says."""
    return await _answer(service, request, body_of(asked), None)


@router.post(
    "/search",
    responses={**_FOUND, **responses(400, 406, 410, 415)},
    response_class=Response,
    openapi_extra={"requestBody": _BODY},
)
async def search(request: Request, service: ServiceOf) -> Response:
    """Find entries by text, image and examples in any mixture, under conditions.

    The image is inline, or a file of a form whose other fields are the parameters of GET.
    """
    asked, upload = await received(request, service.settings.image_bytes)
    return await _answer(service, request, asked, upload)


async def search_batch(asked: BatchBody, request: Request) -> Response:
    """Several searches, answered in their order; one that cannot be is a problem in its place."""
    service, path = service_of(request), request.url.path
    deadline = time.monotonic() + SHARE * service.settings.timeout
    content = await service.work.run(lambda: answer_all(service, asked.searches, path, deadline))
    return Response(content, media_type="application/json")


router.add_api_route(
    "/search/batch",
    search_batch,
    methods=["POST"],
    responses={200: {"model": BatchTold}, **responses(400, 415)},
    response_class=Response,
    route_class_override=BodyRoute,
)


async def _answer(
    service: Service, request: Request, asked: SearchBody, upload: bytes | None
) -> Response:
    media = accepted(request.headers.get("accept"))
    content = await service.work.run(lambda: REPRESENTATIONS[media](find(service, asked, upload)))
    return Response(content, media_type=media, headers={"Vary": "Accept"})
