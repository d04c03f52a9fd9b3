"""Filters as SQL conditions on the documents table."""

from __future__ import annotations

from collections.abc import Sequence

from scenestore.filters import Filter


def where_clause(where: Filter) -> tuple[str, list[str]]:
    """The condition and the values of its parameters; `1` when the filter is empty."""
    conditions: list[str] = []
    values: list[str] = []
    if where.collections:
        conditions.append(f"collection IN ({','.join('?' * len(where.collections))})")
        values += where.collections
    for pairs, operator in ((where.scenes, "IN"), (where.without_scenes, "NOT IN")):
        if pairs:
            conditions.append(f"(collection, scene) {operator} (VALUES {_marks(pairs)})")
            values += [value for pair in pairs for value in pair]
    return " AND ".join(conditions) or "1", values


def _marks(pairs: Sequence[tuple[str, str]]) -> str:
    return ",".join(["(?, ?)"] * len(pairs))
