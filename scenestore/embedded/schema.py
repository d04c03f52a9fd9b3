"""The tables of one generation's documents: made, checked, replaced, dropped.

A prefix tells a projection that is being rebuilt from the live one, which has none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from scenestore.entry import KINDS
from scenestore.errors import StoreError

FORMAT = 5
"""Version of the tables, SQLite's `user_version`."""
FILTERED = (
    "datetime", "cloud_cover", "gsd", "platform", "west", "south", "east", "north", "shape",
    "longitude", "latitude",
)  # fmt: skip
"""What filters need of a document: milliseconds since 1970, percent, metres, text, the footprint's
box, the footprint as WKB where it is not all of that box, and its centre."""
DOCUMENT = ("key", "id", "ordinal", "kind", "collection", "scene", "first", "body", *FILTERED)
"""`first` is 1 for the first entry of its scene and kind, else 0."""
OUTCOME = (
    "collection", "scene", "status", "reason", "fingerprint", "stat", "chips", "captions",
)  # fmt: skip

_TABLES = {
    "made": "CREATE TABLE IF NOT EXISTS {prefix}made (bundle TEXT PRIMARY KEY) WITHOUT ROWID",
    "documents": "CREATE TABLE IF NOT EXISTS {prefix}documents (key INTEGER PRIMARY KEY, "
    "id TEXT NOT NULL UNIQUE, ordinal INTEGER NOT NULL, kind TEXT, collection TEXT, scene TEXT, "
    "first INTEGER, body TEXT, datetime INTEGER, cloud_cover REAL, gsd REAL, platform TEXT, "
    "west REAL, south REAL, east REAL, north REAL, shape BLOB, longitude REAL, latitude REAL)",
    **{
        f"places_{kind}": f"CREATE VIRTUAL TABLE IF NOT EXISTS {{prefix}}places_{kind} "
        "USING rtree (key, west, east, south, north)"
        for kind in KINDS
    },
    # Numbers are REAL, all else is TEXT.
    "properties": "CREATE TABLE IF NOT EXISTS {prefix}properties (name TEXT NOT NULL, "
    "value NOT NULL, key INTEGER NOT NULL, PRIMARY KEY (name, value, key)) WITHOUT ROWID",
    "scenes": "CREATE TABLE IF NOT EXISTS {prefix}scenes (id TEXT PRIMARY KEY, "
    "ordinal INTEGER NOT NULL, collection TEXT NOT NULL, scene TEXT NOT NULL, "
    "status TEXT NOT NULL, reason TEXT, fingerprint TEXT, stat TEXT, chips INTEGER, "
    "captions INTEGER) WITHOUT ROWID",
}
_INDICES = {
    "by_kind": "documents (kind)",
    "by_scene": "documents (collection, scene)",
    "by_datetime": "documents (kind, datetime)",
    "by_cloud_cover": "documents (kind, cloud_cover)",
    "by_gsd": "documents (kind, gsd)",
    "by_platform": "documents (kind, platform)",
    "by_first": "documents (kind, collection, scene) WHERE first = 1",
    "by_name": "scenes (collection, scene)",
}


def check(db: sqlite3.Connection) -> None:
    """Raise StoreError where the live tables are of another version."""
    version = _version(db)
    if (
        version != FORMAT
        and db.execute("SELECT 1 FROM sqlite_master WHERE name = 'documents'").fetchone()
    ):
        path = db.execute("PRAGMA database_list").fetchone()[2]
        raise StoreError(
            f"{path} has format {version}, this version reads {FORMAT}; run `scenesift rebuild`"
        )


def make(db: sqlite3.Connection, prefix: str) -> None:
    """Make the tables; nothing happens when they are there."""
    for statement in _TABLES.values():
        db.execute(statement.format(prefix=prefix))
    for name, what in _INDICES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {prefix}{name} ON {prefix}{what}")
    if not prefix and _version(db) != FORMAT:  # setting it writes, even where it is set
        db.execute(f"PRAGMA user_version = {FORMAT}")


def stamp(db: sqlite3.Connection, prefix: str, bundle: str) -> None:
    """Write down the digest of the bundle that the documents were made with."""
    db.execute(f"INSERT OR IGNORE INTO {prefix}made VALUES (?)", (bundle,))


def bundles(db: sqlite3.Connection) -> list[str]:
    """Digests of the bundles that the live documents were made with; none where none was noted."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'made'").fetchone():
        return []
    return [bundle for (bundle,) in db.execute("SELECT bundle FROM made")]


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def replace_live(db: sqlite3.Connection, prefix: str) -> None:
    """Put the tables of a prefix in the live ones' place, whatever version those are of."""
    for table in _TABLES:
        db.execute(f"DROP TABLE IF EXISTS {table}")
        db.execute(f"ALTER TABLE {prefix}{table} RENAME TO {table}")
    for index in _INDICES:
        db.execute(f"DROP INDEX {prefix}{index}")
    make(db, "")


def drop(db: sqlite3.Connection, prefix: str) -> None:
    """Remove the tables of a prefix."""
    for table in _TABLES:
        db.execute(f"DROP TABLE IF EXISTS {prefix}{table}")


def upsert(table: str, columns: Sequence[str]) -> str:
    """Insert a row, or replace the one there if it is not of a newer batch."""
    assignments = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({','.join('?' * len(columns))}) "
        f"ON CONFLICT (id) DO UPDATE SET {assignments} WHERE excluded.ordinal >= {table}.ordinal"
    )
