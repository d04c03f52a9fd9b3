"""Items: scenes as STAC has them, a GeoJSON feature each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from query_service.stac.ids import item_id
from query_service.stac.links import Links
from scenestore.entry import Entry, Metadata
from scenestore.filters import Value
from scenestore.footprint import Footprint
from scenestore.instants import in_utc

STAC_VERSION = "1.1.0"
EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
OURS = "scenesift:"
"""Before the names of properties that no one else knows."""
ANY_TIME = ("1800-01-01T00:00:00Z", "2200-01-01T00:00:00Z")
"""STAC asks for a range where there is no instant; within this one every image was taken.

It starts before photography, and fits the nanoseconds of data frames."""

Item = dict[str, Any]

_TEXTS = {"title", "description", "constellation", "mission"}
_INSTANTS = {"created", "updated"}
_RANGE = ("start_datetime", "end_datetime")
_TAKEN = {"datetime", "gsd", "platform", "keywords", "roles", "providers", "instruments", "bands"}
_TAKEN |= {"data_type", "nodata", "unit", "statistics"}
"""Names that STAC has for what no property of ours is, or for what is a field."""
_LICENSE = re.compile(r"[\w.+-]+")


@dataclass(frozen=True)
class Found:
    """Why a scene is among the answers to a text."""

    score: float
    """Cosine of query and stored vector."""
    percentile: float
    """Percent of random entries of the archive that score lower."""


def item(entry: Entry, links: Links, found: Found | None = None) -> Item:
    """The item that the scene of a chip is."""
    who, metadata = entry.identity, entry.metadata
    id = item_id(who.scene)
    footprint = None if metadata.footprint is None else Footprint.of(metadata.footprint)
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [] if metadata.cloud_cover is None else [EO],
        "id": id,
        "collection": who.collection,
        "geometry": None if footprint is None else _geometry(metadata, footprint),
        **({} if footprint is None else {"bbox": list(footprint.bbox)}),
        "properties": {
            "title": who.scene,
            **dict(_own(metadata.properties)),
            **_times(metadata),
            **_known("platform", metadata.platform),
            **_known("gsd", metadata.gsd),
            **_known("eo:cloud_cover", metadata.cloud_cover),
            f"{OURS}source": entry.source,
            f"{OURS}terms": list(entry.top_terms),
            **({} if found is None else _why(found)),
        },
        "links": links.item(who.collection, id),
        "assets": _assets(entry, links),
    }


def _geometry(metadata: Metadata, footprint: Footprint) -> Mapping[str, Any] | None:
    """The footprint as it was given; cut where it crosses longitude 180 in one piece."""
    return metadata.footprint if footprint.bounds[2] <= 180 else footprint.cut()


def _own(properties: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
    """The scene's properties; what STAC would take for something else has our prefix."""
    for name, value in properties.items():
        if name in _INSTANTS and (when := _instant(value)) is not None:
            yield name, when
        elif _is_taken(name, value):
            yield f"{OURS}{name}", value
        elif name not in _RANGE:
            yield name, value


def _is_taken(name: str, value: Value) -> bool:
    if name in _TEXTS:
        return not isinstance(value, str)
    if name == "license":
        return not (isinstance(value, str) and _LICENSE.fullmatch(value))
    return name in _TAKEN or name in _INSTANTS or name.startswith(("eo:", OURS))


def _times(metadata: Metadata) -> dict[str, Any]:
    """When the image was taken: an instant, or a range among the properties, or nothing known."""
    when = _instant(metadata.datetime)
    given = {name: metadata.properties[name] for name in _RANGE if name in metadata.properties}
    span = [_instant(given.get(name)) for name in _RANGE]
    if None not in span:
        return {"datetime": when, **dict(zip(_RANGE, span, strict=True))}
    said = {f"{OURS}{name}": value for name, value in given.items()}
    if when is not None:
        return {"datetime": when, **said}
    unknown = dict(zip(_RANGE, ANY_TIME, strict=True))
    return {"datetime": None, **unknown, f"{OURS}undated": True, **said}


def _instant(value: Any) -> str | None:
    """ISO 8601 in UTC; None where it is no instant."""
    try:
        return in_utc(datetime.fromisoformat(value)).isoformat().replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError):
        return None


def _known(name: str, value: Any) -> dict[str, Any]:
    return {} if value is None else {name: value}


def _why(found: Found) -> dict[str, Any]:
    return {f"{OURS}score": found.score, f"{OURS}percentile": found.percentile}


def _assets(entry: Entry, links: Links) -> dict[str, Any]:
    """The picture that the service has, and the scene itself where it can be fetched."""
    assets: dict[str, Any] = {}
    if entry.thumbnail is not None:
        href = links.thumbnail(entry.identity.id)
        assets["thumbnail"] = {"href": href, "type": "image/jpeg", "roles": ["thumbnail"]}
    data = links.sources.asset(entry.identity.collection, entry.source)
    if data is not None:
        assets["data"] = data
    return assets
