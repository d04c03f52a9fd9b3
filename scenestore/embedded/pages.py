"""Statements on any number of values, so many of them at a time as SQLite takes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

PAGE = 500
"""Values a statement is given at once (SQLite takes 999 parameters in its oldest builds)."""


def rows_among(
    db: sqlite3.Connection, statement: str, values: Sequence[Any], others: Sequence[Any] = ()
) -> list[Any]:
    """All rows of a statement with `IN ({values})`, whose other parameters come after that."""
    rows: list[Any] = []
    for start in range(0, len(values), PAGE):
        page = values[start : start + PAGE]
        rows += db.execute(statement.format(values=",".join("?" * len(page))), (*page, *others))
    return rows
