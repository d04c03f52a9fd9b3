"""Counts by group in SQLite and numpy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import numpy as np

from scenestore.aggregation import Counts, Grouping, counted
from scenestore.embedded.expressions import Clause
from scenestore.tiles import tiles

_UNITS = {"year": "Y", "month": "M", "day": "D"}


def counts(db: sqlite3.Connection, selected: Clause, grouping: Grouping) -> Counts:
    """The groups of the documents that a condition selects, by one statement."""
    match grouping.by:
        case "collection":
            groups = _collections(db, selected)
            return counted(groups, grouping, sum(count for _, count in groups), 0)
        case "term":
            return _terms(db, selected, grouping)
        case "tile":
            return _tiles(db, selected, grouping)
        case _:
            return _times(db, selected, grouping)


def _collections(db: sqlite3.Connection, selected: Clause) -> list[tuple[str, int]]:
    condition, values = selected
    return db.execute(
        f"SELECT collection, count(*) FROM documents WHERE {condition} GROUP BY collection", values
    ).fetchall()


def _terms(db: sqlite3.Connection, selected: Clause, grouping: Grouping) -> Counts:
    """What has no words joins with one that is NULL."""
    condition, values = selected
    (total, unknown), *groups = db.execute(
        "WITH words AS NOT MATERIALIZED (SELECT json_extract(body, '$.top_terms') AS list "
        f"FROM documents WHERE {condition}) "
        "SELECT count(*), count(*) FILTER (WHERE json_array_length(list) = 0) FROM words UNION ALL "
        "SELECT word.value, count(*) FROM words, json_each(words.list) AS word GROUP BY word.value",
        values,
    ).fetchall()
    return counted(groups, grouping, total, unknown)


def _tiles(db: sqlite3.Connection, selected: Clause, grouping: Grouping) -> Counts:
    condition, values = selected
    rows = db.execute(
        f"SELECT longitude, latitude FROM documents WHERE {condition}", values
    ).fetchall()
    longitudes, latitudes = np.array(rows, np.float64).reshape(-1, 2).T
    known = ~np.isnan(longitudes)
    zoom = grouping.zoom
    columns, lines = tiles(longitudes[known], latitudes[known], zoom)
    places, members = np.unique((columns << zoom) | lines, return_counts=True)
    groups = (
        (f"{zoom}/{place >> zoom}/{place & ((1 << zoom) - 1)}", count)
        for place, count in zip(places.tolist(), members.tolist(), strict=True)
    )
    return counted(groups, grouping, len(rows), int(np.count_nonzero(~known)))


def _times(db: sqlite3.Connection, selected: Clause, grouping: Grouping) -> Counts:
    condition, values = selected
    rows = db.execute(f"SELECT datetime FROM documents WHERE {condition}", values).fetchall()
    known = [when for (when,) in rows if when is not None]
    instants = np.array(known, "datetime64[ms]").astype(f"datetime64[{_UNITS[grouping.by]}]")
    periods, members = np.unique(instants, return_counts=True)
    groups: Iterable[tuple[str, int]] = zip(
        periods.astype(str).tolist(), members.tolist(), strict=True
    )
    return counted(groups, grouping, len(rows), len(rows) - len(known))
