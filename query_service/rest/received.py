"""Bodies of searches: JSON, or a form with an image as a file."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import Request
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from query_service.body import check_json, invalid, json_of, media_of, read, validated
from query_service.request import RequestError
from query_service.rest.asked import SearchBody, SearchParameters, Spelt
from query_service.rest.form import parts_of

FORM = "multipart/form-data"
Received = tuple[SearchBody, bytes | None]
"""A search, and the image that came with it as a file."""


async def received(request: Request, image_bytes: int) -> Received:
    """The search that a body asks for; its image has so many bytes at most."""
    media = media_of(request)
    if media == FORM:
        form = request.headers["content-type"]
        return await read(request, lambda content: _of_form(parts_of(form, content), image_bytes))
    check_json(media, f" or {FORM}")
    return await read(request, lambda content: (validated(SearchBody, json_of(content)), None))


def _of_form(parts: list[tuple[str, str | bytes]], most_bytes: int) -> Received:
    fields: dict[str, Any] = {}
    upload: bytes | None = None
    for name, value in parts:
        if isinstance(value, str):
            fields[name] = f"{fields[name]},{value}" if name in fields else value
        elif name != "image":
            raise RequestError(f"{name[:40]!a} is a file; only image can be one")
        elif upload is not None:
            raise RequestError("there are several images; send one")
        elif len(value) > most_bytes:
            raise HTTPException(
                413, f"image: more than the {most_bytes:,} bytes allowed; make it smaller"
            )
        else:
            upload = value
    return body_of(validated(SearchParameters, fields)), upload


def each_once(request: Request) -> None:
    """Raise RequestError where an address repeats a parameter: all but one would be lost."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name, count in given.items():
        if count > 1:
            raise RequestError(
                f"{name[:40]!a} is given {count:,} times; give it once, a list with commas between"
            )


def body_of(parameters: Spelt) -> SearchBody:
    """Parameters as a body; what is wrong with them becomes a problem."""
    try:
        return parameters.body()
    except ValidationError as error:
        raise invalid(error) from error
