"""Errors as problem+json (RFC 9457): one table from what was raised to the status that is sent."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from query_service.errors import BusyError, GoneError, NotFoundError, TimedOutError
from query_service.faults import faults
from query_service.request import RequestError
from query_service.ticket import may_know
from scenestore.errors import FilterError
from sgpd.errors import SceneSiftError

MEDIA_TYPE = "application/problem+json"
_LONGEST = 2_000
"""Characters of a detail."""
RETRY_SECONDS = 1
"""After which a client that came at a bad moment may come again."""

_STATUS: Mapping[type[SceneSiftError], HTTPStatus] = {
    RequestError: HTTPStatus.BAD_REQUEST,
    FilterError: HTTPStatus.BAD_REQUEST,
    NotFoundError: HTTPStatus.NOT_FOUND,
    GoneError: HTTPStatus.GONE,
    BusyError: HTTPStatus.TOO_MANY_REQUESTS,
    TimedOutError: HTTPStatus.GATEWAY_TIMEOUT,
    SceneSiftError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Of an error the nearest class counts: an archive that cannot answer may be able to later."""
_OURS = "the archive cannot answer now; try again later. The service's log says why"
"""What is told of our own faults to callers who are not to know of addresses and folders."""
_LATER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}

_PATHS: Mapping[str, str] = {
    "Not Found": "there is no such path; /openapi.json, and /stac/api, have all there are",
    "Method Not Allowed": "this path is not asked that way; /openapi.json, and /stac/api, say how",
}
"""What to do about what the router refuses, by its word for it."""

log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong, and what to do."""

    type: str = Field(default="about:blank", description="The status says what kind it is.")
    title: str = Field(examples=["Bad Request"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["k is 0; ask for at least 1 hit"])
    instance: str = Field(description="Path that was asked for.", examples=["/search"])
    request_id: str | None = Field(default=None, description="To be found in the service's logs.")


def status_of(error: SceneSiftError) -> HTTPStatus:
    """The status that stands for an error."""
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Declares problems of those statuses, beside the ones that every path may answer with."""
    always = (400, 401, 403, 408, 413, 421, 422, 429, 500, 503, 504)
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "model": Problem,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*always, *statuses})
    }


def problem(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem as an answer."""
    known = HTTPStatus(status)
    content = _problem(known, detail, request.url.path)
    return _response(request, content, headers)


def _response(
    request: Request, content: Problem, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    known = HTTPStatus(content.status)
    content.request_id = getattr(request.state, "request_id", None)
    later = {"Retry-After": str(RETRY_SECONDS)} if known in _LATER else {}
    return JSONResponse(
        content.model_dump(exclude_none=True),
        known,
        headers={**later, **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def problem_of(error: SceneSiftError, path: str) -> Problem:
    """The problem that an error is, on a path; faults of ours are logged."""
    status = status_of(error)
    if status != HTTPStatus.SERVICE_UNAVAILABLE:
        return _problem(status, str(error), path)
    log.warning("%s", error)
    return _problem(status, str(error) if may_know() else _OURS, path)


def _problem(status: HTTPStatus, detail: str, path: str) -> Problem:
    """What is said may repeat what was sent: it is cut, and brought to what can be sent."""
    sendable = detail[:_LONGEST].encode(errors="backslashreplace").decode()
    return Problem(title=status.phrase, status=status, detail=sendable, instance=path[:_LONGEST])


def report_problems(app: FastAPI) -> None:
    """Let every error of an app become a problem."""
    app.add_exception_handler(SceneSiftError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SceneSiftError)
    return _response(request, problem_of(error, request.url.path))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return problem(request, HTTPStatus.UNPROCESSABLE_ENTITY, faults(error.errors()))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = _PATHS.get(error.detail, error.detail)
    return problem(request, error.status_code, str(detail), error.headers)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", exc_info=error)
    return problem(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "a fault of the service; its log says more"
    )
