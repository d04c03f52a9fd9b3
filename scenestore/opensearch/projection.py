"""Entries and outcomes as OpenSearch documents, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from scenestore.batch import Batch
from scenestore.entry import Entry, Identity, Kind, Metadata, SceneOutcome, digest_id

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
"""What a document of a scene's outcome holds, and `outcome` needs."""


def entry_documents(
    batch: Batch, kind: Kind, terms: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids and documents of a batch's entries of a kind, then of its tombstones.

    `terms` are the lexicon's, by id.
    """
    stamp = _stamp(batch)
    if kind in batch.rows:
        codes = batch.codes(kind)
        names = [terms[term] for term in codes.terms.tolist()]
        weights = codes.weights.tolist()
        bounds = pairwise(codes.indptr.tolist())
        keys, cells = batch.keys(kind).tolist(), batch.cells(kind).tolist()
        rows = zip(batch.entries(kind), keys, cells, bounds, strict=True)
        for entry, key, cell, (start, stop) in rows:
            code = dict(zip(names[start:stop], weights[start:stop], strict=True))
            coded = {**document(entry), "key": key, "cluster": cell, "sp": code, **stamp}
            yield digest_id(coded["identity"]), coded
    for identity in batch.tombstones:
        if identity.kind == kind:
            # Without key and code, so that no search meets it.
            yield identity.id, {**_who(identity), "tombstone": True, **stamp}


def outcome_documents(batch: Batch) -> Iterator[tuple[str, dict[str, Any]]]:
    """Ids and documents of what became of a batch's scenes."""
    stamp = _stamp(batch)
    for outcome in batch.outcomes:
        fields = {name: getattr(outcome, name) for name in OUTCOME_FIELDS}
        yield outcome.id, {**fields, **stamp}


def _stamp(batch: Batch) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"batch": batch.ordinal, "indexed_at": now}


def document(entry: Entry) -> dict[str, Any]:
    """The fields of an entry itself; what is unknown is left out."""
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


def outcome(source: Mapping[str, Any]) -> SceneOutcome:
    """The outcome that a document of the scenes' index holds."""
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
    try:
        longitude, latitude = _centre(_positions(footprint))
    except (LookupError, TypeError, ValueError):  # not GeoJSON: kept as it is, not located
        return fields
    if -180 <= longitude <= 180 and -90 <= latitude <= 90:
        fields["center"] = {"lon": longitude, "lat": latitude}
        fields["place"] = _tile(longitude, latitude)
    return fields


def _positions(geometry: Mapping[str, Any]) -> list[Sequence[float]]:
    """Every position of a GeoJSON geometry."""
    if geometry["type"] == "GeometryCollection":
        return [position for part in geometry["geometries"] for position in _positions(part)]
    nested = geometry["coordinates"]
    if geometry["type"] == "Point":
        return [nested]
    while isinstance(nested[0][0], Sequence):
        nested = [position for inner in nested for position in inner]
    return list(nested)


def _centre(positions: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Middle of the bounding box; a footprint over half the globe's width crosses longitude 180."""
    longitudes = [position[0] for position in positions]
    latitudes = [position[1] for position in positions]
    west, east = min(longitudes), max(longitudes)
    if east - west > 180:
        longitudes = [longitude % 360 for longitude in longitudes]
        west, east = min(longitudes), max(longitudes)
    longitude = (west + east) / 2
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
    searched: dict[str, Any] = {}
    long: dict[str, Any] = {}
    numbers: list[dict[str, Any]] = []
    dates: list[dict[str, Any]] = []
    for name, value in properties.items():
        text = value if isinstance(value, str) else ""
        if len(name) + len(text) > _LONGEST_KEYWORD:
            long[name] = value
            continue
        searched[name] = value
        if text:
            if _is_date(text):
                dates.append({"name": name, "value": text})
        elif not isinstance(value, bool | str):
            numbers.append({"name": name, "value": value})
    fields = {
        "properties": searched,
        "long_properties": long,
        "numbers": numbers,
        "dates": dates,
    }
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
