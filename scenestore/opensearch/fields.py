"""Entries and outcomes as OpenSearch documents, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from scenestore.batch import Batch
from scenestore.entry import Entry, Identity, Kind, Metadata, SceneOutcome, digest_id
from scenestore.filters import is_searched
from scenestore.footprint import Footprint
from scenestore.instants import date_milliseconds
from scenestore.listing import firsts
from scenestore.tiles import PLACE_ZOOM, tile

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
        entries = batch.entries(kind)
        leading = firsts(entries)
        rows = zip(entries, keys, cells, bounds, strict=True)
        for entry, key, cell, (start, stop) in rows:
            code = dict(zip(names[start:stop], weights[start:stop], strict=True))
            found = document(entry, first=entry.identity in leading)
            coded = {**found, "key": key, "cluster": cell, "sp": code, **stamp}
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


def document(entry: Entry, *, first: bool = False) -> dict[str, Any]:
    """The fields of an entry itself; what is unknown is left out.

    The first entry of a scene stands for it in listings, and has texts to order them by.
    """
    who, known = entry.identity, entry.metadata
    fields = {
        **_who(who),
        "first": first,
        "asset": entry.source,
        "caption": entry.caption,
        "top_terms": list(entry.top_terms),
        "thumbnail": entry.thumbnail,
        "datetime": known.datetime,
        "cloud_cover": _positive_zero(known.cloud_cover),
        "gsd": _positive_zero(known.gsd),
        "platform": known.platform,
    }
    if known.footprint:
        fields |= _location(known.footprint)
    if known.properties:
        fields |= _properties(known.properties)
    if first and known.properties:
        fields["texts"] = _texts(known.properties)
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
        "place": tile(longitude, latitude, PLACE_ZOOM),
    }
    return fields if found.as_given else {**fields, "given_footprint": given}


def _positive_zero(number: float | None) -> float | None:
    """The number; 0.0 for -0.0, which OpenSearch orders before it."""
    return None if number is None else number or 0.0


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
            numbers.append({"name": name, "value": _positive_zero(value)})
    fields = {
        "properties": searched,
        "long_properties": long,
        "numbers": numbers,
        "dates": dates,
    }
    return {name: value for name, value in fields.items() if value}


def _texts(properties: Mapping[str, str | float | int | bool]) -> list[dict[str, str]]:
    """Properties as texts, for orders: a flat object has none."""
    return [
        {"name": name, "value": value if isinstance(value, str) else str(value).lower()}
        for name, value in properties.items()
        if isinstance(value, bool | str) and is_searched(name, value)
    ]
