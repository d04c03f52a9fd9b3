"""Where people give their key, so that a browser can show them the page."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from query_service import cookie
from query_service.problem import problem_of
from query_service.rendering import FILES, HTML, rendered
from query_service.require_key import HOW, UNKNOWN
from query_service.service import ServiceOf
from query_service.ticket import current_ticket
from sgpd.errors import SceneSiftError

SIGN_IN = "/sign-in"
SIGN_OUT = "/sign-out"
OPEN_PATHS = (SIGN_IN, SIGN_OUT, *FILES)
"""What who has no key yet must reach; nothing of the archive is in their answers."""
_MOST_ASKED = 20_000
"""Characters of an address that people come back to once they are in."""
_MOST_BYTES = 4 * _MOST_ASKED
"""Of the form: anybody may send it."""
_SEE_OTHER = 303

router = APIRouter(include_in_schema=False)


def door(request: Request, status: int, why: str) -> Response | None:
    """The page that asks a person for a key; None where a program asks, or for something else."""
    is_person = HTML in request.headers.get("accept", "")
    if request.scope["path"] != "/" or not is_person:
        return None
    asked = request.url.query if request.method == "GET" else ""
    return _page(request, status, "" if why == HOW else why, asked)


@router.post(SIGN_IN)
async def sign_in(request: Request, service: ServiceOf) -> Response:
    """Take a key into the browser's cookie and go to the page, or say why not."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(403, "a page of another host may not sign anybody in here")
    form = await _form(request)
    token = form.get("key", "").strip()
    try:
        holder = await service.ring.holder(token) if token else None
    except SceneSiftError as error:
        told = problem_of(error, SIGN_IN)
        return _page(request, told.status, told.detail, form.get("asked", ""))
    if holder is None:
        service.metrics.refused("key")
        return _page(request, 401, UNKNOWN if token else "give a key", form.get("asked", ""))
    if (ticket := current_ticket.get()) is not None:
        ticket.key = holder
    asked = urlencode(parse_qsl(form.get("asked", "")[:_MOST_ASKED]))
    answer = RedirectResponse(f"/?{asked}" if asked else "/", _SEE_OTHER)
    cookie.put(answer, token, is_secure=request.url.scheme == "https")
    return answer


@router.post(SIGN_OUT)
async def sign_out() -> Response:
    """Take the key out of the browser."""
    answer = RedirectResponse("/", _SEE_OTHER)
    cookie.remove(answer)
    return answer


async def _form(request: Request) -> dict[str, str]:
    """Fields of the form that the page sends; anybody may send it, so that little is read."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            close = {"connection": "close"}  # the rest of it is not read
            raise HTTPException(413, "this is no key; send what `key create` printed", close)
    return dict(parse_qsl(body.decode("latin-1")))


def _page(request: Request, status: int, refused: str, asked: str) -> Response:
    asked = asked if len(asked) <= _MOST_ASKED else ""
    page = rendered(request, "sign_in.html", status, refused=refused, asked=asked)
    if status == 401:
        page.headers["WWW-Authenticate"] = "Bearer"
    return page
