"""The forms that an answer is given in, chosen by the Accept header."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import orjson
from starlette.exceptions import HTTPException

from query_service import geoparquet
from query_service.rest.found import Found
from query_service.rest.told import Json, answer_json, features, hit_json, manner_json

Representation = Callable[[Found], bytes]

JSON = "application/json"
GEOJSON = "application/geo+json"


def spelt(told: Json) -> bytes:
    """JSON as it is sent."""
    try:
        return orjson.dumps(told)
    except TypeError:  # a name has a character that is no text
        text = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode(errors="replace")


REPRESENTATIONS: Mapping[str, Representation] = {
    JSON: lambda found: spelt(answer_json(found)),
    GEOJSON: lambda found: spelt(features(found)),
    geoparquet.MEDIA_TYPE: lambda found: _parquet(found),
}
"""By media type; the first is given to who accepts anything."""


def _parquet(found: Found) -> bytes:
    hits = [hit_json(shown, found.explain) for shown in found.hits]
    return geoparquet.geoparquet(hits, manner_json(found))


def accepted(header: str | None) -> str:
    """The media type that a client likes best of those there are; 406 where it takes none."""
    wishes = [_wish(part) for part in (header or "*/*").split(",") if part.strip()]
    for _, wanted in sorted(wishes, key=lambda wish: -wish[0]):
        for media in REPRESENTATIONS:
            if wanted in (media, "*/*", f"{media.partition('/')[0]}/*"):
                return media
    raise HTTPException(406, f"accept one of {', '.join(REPRESENTATIONS)}")


def _wish(part: str) -> tuple[float, str]:
    """How much a media type is liked (not at all below 0), and which."""
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value), media if float(value) > 0 else ""
            except ValueError:
                return 0.0, ""
    return 1.0, media
