"""Statements on more values than SQLite takes at once."""

from __future__ import annotations

import sqlite3

from scenestore.embedded.pages import PAGE, rows_among


def test_rows_of_all_values_are_found() -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY, half INTEGER)")
    db.executemany("INSERT INTO numbers VALUES (?, ?)", [(n, n // 2) for n in range(3 * PAGE)])
    asked = "SELECT number FROM numbers WHERE number IN ({values}) AND half < ?"
    wanted = [*range(0, 3 * PAGE, 2), -1]
    found = rows_among(db, asked, wanted, [PAGE])
    assert [number for (number,) in found] == list(range(0, 2 * PAGE, 2))
    assert rows_among(db, asked, [], [PAGE]) == []
