"""Entries and outcomes as OpenSearch documents, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from scenestore.entry import Entry, Identity, Metadata, SceneOutcome

PLACE_ZOOM = 7
"""`place` is the Web Mercator tile `z/x/y` of the centre at this zoom, as geotile_grid spells it:
some 300 km at the equator."""
_LONGEST_KEYWORD = 8_000
"""Characters of a property that is searched; Lucene takes 32,766 bytes, names included."""

ENTRY_FIELDS = (
    "identity", "asset", "caption", "top_terms", "thumbnail", "datetime", "cloud_cover", "gsd",
    "platform", "footprint", "properties", "long_properties",
)  # fmt: skip
"""What `entry` needs of a document."""
OUTCOME_FIELDS = tuple(SceneOutcome.__dataclass_fields__)
"""What `outcome` needs of a document."""


def document(entry: Entry) -> dict[str, Any]:
    """The fields of an entry; what is unknown is left out."""
    who, known = entry.identity, entry.metadata
    fields = {
        **_who(who),
        "asset": entry.source,
        "caption": entry.caption,
        "top_terms": list(entry.top_terms),
        "thumbnail": entry.thumbnail,
        "datetime": known.datetime,
        "cloud_cover": known.cloud_cover,
        "gsd": known.gsd,
        "platform": known.platform,
    }
    if known.footprint:
        fields |= _location(known.footprint)
    if known.properties:
        fields |= _properties(known.properties)
    return {name: value for name, value in fields.items() if value is not None}


def entry(source: Mapping[str, Any]) -> Entry:
    """The entry whose `document` this is."""
    properties = source.get("properties", {}) | source.get("long_properties", {})
    return Entry(
        identity=Identity.parse(source["identity"]),
        source=source["asset"],
        caption=source.get("caption"),
        top_terms=tuple(source["top_terms"]),
        thumbnail=source.get("thumbnail"),
        metadata=Metadata(
            datetime=source.get("datetime"),
            cloud_cover=source.get("cloud_cover"),
            gsd=source.get("gsd"),
            platform=source.get("platform"),
            footprint=source.get("footprint"),
            properties=properties,
        ),
    )


def tombstone(identity: Identity) -> dict[str, Any]:
    """What stands in place of a deleted entry: no key and no code, so that no search meets it."""
    return {**_who(identity), "tombstone": True}


def outcome_document(outcome: SceneOutcome) -> dict[str, Any]:
    """The fields of an outcome."""
    return asdict(outcome)


def outcome(source: Mapping[str, Any]) -> SceneOutcome:
    """The outcome whose `outcome_document` this is."""
    return SceneOutcome(**{name: source[name] for name in OUTCOME_FIELDS})


def _who(identity: Identity) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "identity": identity.canonical(),
        "kind": identity.kind,
        "collection": identity.collection,
        "scene": identity.scene,
    }
    if isinstance(identity.part, tuple):
        names = ("column", "row", "width", "height")
        fields["window"] = dict(zip(names, identity.part, strict=True))
    return fields


def _location(footprint: Mapping[str, Any]) -> dict[str, Any]:
    """The footprint, the centre of its box, and the tile that the centre lies in."""
    fields: dict[str, Any] = {"footprint": footprint}
    points = list(_points(footprint))
    if points:
        longitude, latitude = _centre(points)
        if -180 <= longitude <= 180 and -90 <= latitude <= 90:
            fields["center"] = {"lon": longitude, "lat": latitude}
            fields["place"] = _tile(longitude, latitude)
    return fields


def _points(geometry: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
    """Longitude and latitude of every position of a GeoJSON geometry, however nested."""
    pending: list[Any] = [geometry.get("coordinates"), *geometry.get("geometries", ())]
    while pending:
        match pending.pop():
            case {"coordinates": inner}:
                pending.append(inner)
            case {"geometries": inner}:
                pending.extend(inner)
            case [int() | float() as longitude, int() | float() as latitude, *_]:
                yield float(longitude), float(latitude)
            case list() | tuple() as inner:
                pending.extend(inner)


def _centre(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Middle of the bounding box; a footprint over half the globe's width crosses longitude 180."""
    longitudes, latitudes = (list(values) for values in zip(*points, strict=True))
    if max(longitudes) - min(longitudes) > 180:
        longitudes = [value % 360 for value in longitudes]
    longitude = (min(longitudes) + max(longitudes)) / 2
    latitude = (min(latitudes) + max(latitudes)) / 2
    return (longitude - 360 if longitude > 180 else longitude), latitude


def _tile(longitude: float, latitude: float) -> str:
    side = 1 << PLACE_ZOOM
    sine = math.sin(math.radians(max(-85.0511, min(85.0511, latitude))))
    x = int(side * (longitude + 180) / 360)
    y = int(side * (0.5 - math.atanh(sine) / (2 * math.pi)))
    return f"{PLACE_ZOOM}/{min(x, side - 1)}/{min(max(y, 0), side - 1)}"


def _properties(properties: Mapping[str, str | float | int | bool]) -> dict[str, Any]:
    """Properties for equality, and numbers and dates beside them for ranges."""
    searched, long, numbers, dates = {}, {}, [], []
    for name, value in properties.items():
        if len(name) + len(str(value)) > _LONGEST_KEYWORD:
            long[name] = value
            continue
        searched[name] = value
        if isinstance(value, str):
            if _is_date(value):
                dates.append({"name": name, "value": value})
        elif not isinstance(value, bool):
            numbers.append({"name": name, "value": value})
    fields = {
        "properties": searched, "long_properties": long, "numbers": numbers, "dates": dates,
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value}


def _is_date(text: str) -> bool:
    """Whether it is a date, or date and time, as OpenSearch reads them too."""
    if not text[:4].isdigit() or text[4:5] != "-" or text[10:11] not in ("", "T"):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
