"""Entries, outcomes and tombstones as flat rows and as Arrow tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from scenestore.entry import Entry, Identity, Metadata, SceneOutcome

_ENTRY_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("identity", pa.string()),
        ("source", pa.string()),
        ("caption", pa.string()),
        ("top_terms", pa.list_(pa.string())),
        ("thumbnail", pa.int32()),
        ("datetime", pa.string()),
        ("cloud_cover", pa.float64()),
        ("gsd", pa.float64()),
        ("platform", pa.string()),
        ("footprint", pa.string()),
        ("properties", pa.string()),
    ]
)


def entry_table(entries: Sequence[Entry]) -> pa.Table:
    """Entries as a table, rows in order."""
    return pa.Table.from_pylist([entry_row(entry) for entry in entries], schema=_ENTRY_SCHEMA)


def entry_row(entry: Entry) -> dict[str, Any]:
    """An entry as flat values; nested ones as JSON."""
    known = entry.metadata
    return {
        "id": entry.identity.id,
        "identity": entry.identity.canonical(),
        "source": entry.source,
        "caption": entry.caption,
        "top_terms": list(entry.top_terms),
        "thumbnail": entry.thumbnail,
        "datetime": known.datetime,
        "cloud_cover": known.cloud_cover,
        "gsd": known.gsd,
        "platform": known.platform,
        "footprint": json.dumps(known.footprint) if known.footprint else None,
        "properties": json.dumps(dict(known.properties), ensure_ascii=False),
    }


def entry_from_row(row: Mapping[str, Any]) -> Entry:
    """The entry that `entry_row` flattened."""
    return Entry(
        identity=Identity.parse(row["identity"]),
        source=row["source"],
        caption=row["caption"],
        top_terms=tuple(row["top_terms"]),
        thumbnail=row["thumbnail"],
        metadata=Metadata(
            datetime=row["datetime"],
            cloud_cover=row["cloud_cover"],
            gsd=row["gsd"],
            platform=row["platform"],
            footprint=json.loads(row["footprint"]) if row["footprint"] else None,
            properties=json.loads(row["properties"]),
        ),
    )


_OUTCOME_SCHEMA = pa.schema(
    [
        ("collection", pa.string()),
        ("scene", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("fingerprint", pa.string()),
        ("stat", pa.string()),
        ("chips", pa.int32()),
        ("captions", pa.int32()),
    ]
)


def outcome_table(outcomes: Sequence[SceneOutcome]) -> pa.Table:
    """Outcomes as a table, rows in order."""
    names = _OUTCOME_SCHEMA.names
    rows = [{name: getattr(outcome, name) for name in names} for outcome in outcomes]
    return pa.Table.from_pylist(rows, schema=_OUTCOME_SCHEMA)


def tombstone_table(tombstones: Sequence[Identity]) -> pa.Table:
    """Identities taken out of the archive, as a table."""
    identities = [identity.canonical() for identity in tombstones]
    return pa.table({"identity": pa.array(identities, pa.string())})
