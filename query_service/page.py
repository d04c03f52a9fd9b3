"""The first page: a search box, and hits with their thumbnails, made on the server."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from query_service.body import validated
from query_service.faults import faults
from query_service.percentile import top_share
from query_service.problem import problem_of
from query_service.rendering import file, rendered
from query_service.rest.asked import SearchBody
from query_service.rest.found import Found, find
from query_service.rest.received import received
from query_service.rest.told import hit_json
from query_service.service import Service, ServiceOf
from sgpd.errors import SceneSiftError

HITS = 24
_NAMED = 6
"""Collections that the page names."""
_ASKABLE = ("text", "kind", "like", "token")
"""Parameters of the page's address."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page(request: Request, service: ServiceOf) -> Response:
    """The page, with the hits of what its address asks for."""
    params = request.query_params
    given = {name: value for name in _ASKABLE if (value := params.get(name))}
    if others := sorted(params.keys() & SearchBody.model_fields.keys() - set(_ASKABLE)):
        refused = (
            f"{', '.join(others)}: no condition that this page takes; leave it out, or ask /search"
        )
        about = {"asked": given.get("text", ""), **given, "refused": refused}
        return await _page(request, service, about, {}, 400)
    if not given.keys() - {"kind"}:
        return await _page(request, service, {}, {})
    sent = {**given, "like": [given["like"]]} if "like" in given else given

    async def asked() -> tuple[SearchBody, None]:
        return validated(SearchBody, sent), None

    unnamed = "More like an entry" if "like" in given else "More hits"
    about = {"asked": given.get("text", unnamed), **given}
    return await _answer(request, service, about, asked())


@router.post("/")
async def page_of_image(request: Request, service: ServiceOf) -> Response:
    """The page with the hits of an image that was sent to it."""
    asked = received(request, service.settings.image_bytes)
    return await _answer(request, service, {"asked": "An image"}, asked)


@router.get("/page.css")
async def style() -> Response:
    """How pages look."""
    return file("/page.css")


@router.get("/page.js")
async def script() -> Response:
    """How the page says that an answer is on its way."""
    return file("/page.js")


async def _answer(
    request: Request,
    service: Service,
    about: dict[str, Any],
    asked: Awaitable[tuple[SearchBody, bytes | None]],
) -> Response:
    """The page with the hits of a search, or with what is wrong with it."""
    try:
        body, image = await asked
        body = body.model_copy(update={"k": HITS})
        found = await service.work.run(lambda: find(service, body, image))
    except RequestValidationError as error:
        return await _page(request, service, {**about, "refused": faults(error.errors())}, {}, 422)
    except HTTPException as error:  # an image that is too large, a body that is no form
        refused = {**about, "refused": error.detail}
        return await _page(request, service, refused, {}, error.status_code)
    except SceneSiftError as error:
        told = problem_of(error, request.url.path)
        return await _page(request, service, {**about, "refused": told.detail}, {}, told.status)
    return await _page(request, service, about, _shown(found))


async def _page(
    request: Request,
    service: Service,
    about: dict[str, Any],
    shown: dict[str, Any],
    status: int = 200,
) -> Response:
    try:
        collections = await service.work.run(lambda: list(service.archive.collections))
        more = f" and {len(collections) - _NAMED:,} more" if len(collections) > _NAMED else ""
        holds = ", ".join(collections[:_NAMED]) + more or "nothing indexed yet"
    except SceneSiftError as error:
        told = problem_of(error, request.url.path)
        holds, status = "no answer from the archive", told.status
        about = {"refused": told.detail, **about}
    nothing = {"asked": "", "text": "", "kind": "chip", "refused": "", "manner": ""}
    mark = getattr(request.state, "form_mark", None)
    values = {
        **nothing,
        "form_mark": mark,
        "most_bytes": f"{service.settings.image_bytes / 2**20:.3g} MiB",
        "top_share": top_share,
        "hits": [],
        "next": None,
        "holds": holds,
        **about,
        **shown,
    }
    return rendered(request, "page.html", status, **values)


def _shown(found: Found) -> dict[str, Any]:
    """What the page shows of an answer."""
    answer = found.answer
    promise = "no recall is promised"
    if answer.strategy != "guided" and not answer.missing:  # of mixtures too: all were scored
        promise = "nothing was missed"
    elif answer.expected_recall is not None:
        promise = f"{answer.expected_recall:.1%} of the best are expected to be among them"
    manner = (
        f"{answer.scanned:,} of {answer.entries:,} vectors scored in "
        f"{answer.milliseconds.get('total', 0.0):.0f} ms ({answer.strategy}); {promise}"
    )
    hits = [hit_json(shown, explain=False) for shown in found.hits]
    return {"hits": hits, "next": found.next, "manner": manner}
