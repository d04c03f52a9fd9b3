"""Bodies as models, read where that holds up nobody else."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from query_service.request import RequestError
from query_service.service import service_of

Model = TypeVar("Model", bound=BaseModel)
Result = TypeVar("Result")

INLINE_BYTES = 64 << 10
"""Bodies up to this are read on the event loop: that takes 1 ms at most, and 0.05 ms where most of
it is an image; a thread costs 0.1 ms (2 shared cores)."""
MOST_VALUES = 300_000
"""Commas and brackets of JSON, so about its values; ten areas of the most corners have as many.
Python reads JSON in one step that nothing interrupts, in a thread too: so many take up to 0.05 s,
and 32 MiB of brackets took 4 s, in which the process answered nobody."""
_STEP = 1 << 20


async def read(request: Request, reader: Callable[[bytes], Result]) -> Result:
    """What a reader makes of the body; of a large one in a thread, as searches are."""
    content = await request.body()
    if len(content) <= INLINE_BYTES:
        return reader(content)
    return await service_of(request).work.run(lambda: reader(content))


def media_of(request: Request) -> str:
    """The media type of the body; JSON where it says none."""
    told = request.headers.get("content-type", "application/json")
    return told.partition(";")[0].strip().lower()


def check_json(media: str, others: str = "") -> None:
    """HTTPException (415) where a media type is not JSON."""
    if media != "application/json" and not media.endswith("+json"):
        raise HTTPException(415, f"send application/json{others}")


def json_of(content: bytes) -> Any:
    """What JSON says; RequestError where it is none, HTTPException (413) where it says too much."""
    if len(content) > INLINE_BYTES and _values(content) > MOST_VALUES:
        raise HTTPException(
            413,
            f"the body has more than {MOST_VALUES:,} values; simplify it, or ask in several parts",
        )
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError("the body is no JSON; send a JSON object") from error


def validated(model: type[Model], sent: Any) -> Model:
    """What was sent, as a model; what is wrong with it becomes a problem."""
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise invalid(error) from error


def invalid(error: ValidationError) -> RequestValidationError:
    """What is wrong with a body, as it becomes a problem."""
    faults = error.errors(include_url=False)
    return RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])


class BodyRoute(APIRoute):
    """A route whose endpoint takes the request and a model, which the body is read as.

    It is documented as FastAPI does; FastAPI itself would read the body on the event loop.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint, with its body read."""
        field = self.body_field
        assert field is not None
        name, model = field.name, field.field_info.annotation
        assert isinstance(model, type)

        async def handle(request: Request) -> Response:
            check_json(media_of(request))
            sent = await read(request, lambda content: validated(model, json_of(content)))
            answer: Response = await self.endpoint(**{"request": request, name: sent})
            return answer

        return handle


def _values(content: bytes) -> int:
    """Commas and brackets, counted in steps between which others go on."""
    return sum(
        content.count(mark, start, start + _STEP)
        for start in range(0, len(content), _STEP)
        for mark in (b",", b"[", b"{")
    )
