"""Entries and outcomes as OpenSearch documents, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from scenestore.batch import Batch
from scenestore.entry import Entry, Identity, Kind, Metadata, SceneOutcome, digest_id
from scenestore.filters import is_searched
from scenestore.footprint import Footprint
from scenestore.instants import date_milliseconds

PLACE_ZOOM = 7
"""`place` is the Web Mercator tile `z/x/y` of the centre at this zoom, as geotile_grid spells it:
some 300 km at the equator."""

ENTRY_FIELDS = (
    "identity", "asset", "caption", "top_terms", "thumbnail", "datetime", "cloud_cover", "gsd",
    "platform", "footprint", "given_footprint", "properties", "long_properties",
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
            footprint=source.get("given_footprint", source.get("footprint")),
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


def _location(given: Mapping[str, Any]) -> dict[str, Any]:
    """Where it lies, the centre of that, and the tile that the centre lies in.

    `footprint` is what OpenSearch is to understand of the geometry; where that is not what was
    given, `given_footprint` keeps it.
    """
    found = Footprint.of(given)
    if found is None:
        return {"given_footprint": given}
    longitude, latitude = found.centre
    fields = {
        "footprint": given if found.as_given else found.geometry(),
        "center": {"lon": longitude, "lat": latitude},
        "place": _tile(longitude, latitude),
    }
    return fields if found.as_given else {**fields, "given_footprint": given}


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
        if not is_searched(name, value):
            long[name] = value
            continue
        searched[name] = value
        if text:
            if date_milliseconds(text) is not None:
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
