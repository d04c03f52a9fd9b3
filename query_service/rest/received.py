"""Bodies of searches: JSON, or a form with an image as a file."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from query_service.request import RequestError
from query_service.rest.asked import SearchBody, SearchParameters, Spelt

Model = TypeVar("Model", bound=BaseModel)

FORM = "multipart/form-data"
_MOST_FIELDS = 40
_LARGEST_FIELD = 2 << 20


async def received(request: Request, image_bytes: int) -> tuple[SearchBody, bytes | None]:
    """The search that a body asks for, and the image that came with it as a file."""
    media = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if media == FORM:
        async with request.form(
            max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FIELD
        ) as form:
            return await _of_form(form, image_bytes)
    if media != "application/json" and not media.endswith("+json"):
        raise HTTPException(415, f"send application/json or {FORM}")
    try:
        sent = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise RequestError("the body is no JSON; send a JSON object") from error
    return validated(SearchBody, sent), None


async def _of_form(form: FormData, most_bytes: int) -> tuple[SearchBody, bytes | None]:
    fields: dict[str, Any] = {}
    upload: bytes | None = None
    for name, value in form.multi_items():
        if not isinstance(value, UploadFile):
            fields[name] = f"{fields[name]},{value}" if name in fields else value
        elif name == "image":
            upload = await value.read(most_bytes + 1)
            if len(upload) > most_bytes:
                raise HTTPException(
                    413, f"image: more than the {most_bytes:,} bytes allowed; make it smaller"
                )
        else:
            raise RequestError(f"{name[:40]!a} is a file; only image can be one")
    return body_of(validated(SearchParameters, fields)), upload


def body_of(parameters: Spelt) -> SearchBody:
    """Parameters as a body; what is wrong with them becomes a problem."""
    try:
        return parameters.body()
    except ValidationError as error:
        raise _invalid(error) from error


def validated(model: type[Model], sent: Any) -> Model:
    """What was sent, as a model; what is wrong with it becomes a problem."""
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> RequestValidationError:
    faults = error.errors(include_url=False)
    return RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])
