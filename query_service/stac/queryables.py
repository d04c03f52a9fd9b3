"""What filters and orders can name, as JSON schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scenestore.entry import Metadata
from scenestore.filters import Value

FIELDS: Mapping[str, dict[str, Any]] = {
    "id": {"type": "string", "title": "Id of the item", "description": "With =, <> and IN."},
    "collection": {"type": "string", "title": "Collection"},
    "scene": {"type": "string", "title": "Name of the scene"},
    "datetime": {"type": "string", "format": "date-time", "title": "When it was taken"},
    "eo:cloud_cover": {
        "type": "number",
        "minimum": 0,
        "maximum": 100,
        "title": "Clouds in percent",
    },
    "gsd": {"type": "number", "exclusiveMinimum": 0, "title": "Metres a pixel"},
    "platform": {"type": "string", "title": "Platform"},
    "geometry": {
        "$ref": "https://geojson.org/schema/Geometry.json",
        "title": "Footprint",
        "description": "With S_INTERSECTS and IS NULL.",
    },
}
"""Of every item."""
SORTABLES = {name: type for name, type in FIELDS.items() if name != "geometry"}


def schema(id: str, title: str, properties: Mapping[str, Any], others: bool) -> dict[str, Any]:
    """The schema at an address; `others` says whether other names may be given."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": id,
        "type": "object",
        "title": title,
        "properties": dict(properties),
        "additionalProperties": others,
    }


def queryables(scenes: Iterable[Metadata]) -> dict[str, Any]:
    """The fields, and the properties that some scenes have."""
    types: dict[str, set[str]] = {}
    for metadata in scenes:
        for name, value in metadata.properties.items():
            types.setdefault(name, set()).add(_type(value))
    own = {name: {"type": _either(found)} for name, found in sorted(types.items())}
    return {**own, **FIELDS}


def _type(value: Value) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"


def _either(types: set[str]) -> str | list[str]:
    return next(iter(types)) if len(types) == 1 else sorted(types)
