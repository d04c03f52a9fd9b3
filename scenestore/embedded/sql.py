"""Filters as SQL: what tables hold for them, and the conditions on the documents table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from scenestore.embedded import places
from scenestore.embedded.expressions import Clause, Located, clause
from scenestore.entry import Metadata, Scene
from scenestore.expression import Meets
from scenestore.filters import Filter, Value, is_searched
from scenestore.instants import known_milliseconds


def filtered(known: Metadata) -> tuple[object, ...]:
    """The values of the columns `schema.FILTERED` for an entry."""
    when = known_milliseconds(known.datetime)
    return when, known.cloud_cover, known.gsd, known.platform, *places.columns(known)


def searched(properties: Mapping[str, Value]) -> list[tuple[str, str | float]]:
    """Name and value of every property that filters compare."""
    return [(n, _comparable(v)) for n, v in properties.items() if is_searched(n, v)]


def where_clause(where: Filter, located: Located) -> Clause:
    """The condition and the values of its parameters; `1` where there is none.

    What leaves out no more than a few (`without_scenes`), and places that a footprint must meet,
    are not among them.
    """
    clauses: list[Clause] = []
    if where.collections:
        marks = ",".join("?" * len(where.collections))
        clauses.append((f"collection IN ({marks})", list(where.collections)))
    if where.scenes:
        clauses.append(any_scene(where.scenes))
    clauses += (clause(each, located) for each in where.conditions() if not isinstance(each, Meets))
    texts = [text for text, _ in clauses]
    return " AND ".join(texts) or "1", list(chain(*(values for _, values in clauses)))


def any_scene(pairs: Sequence[Scene]) -> Clause:
    """The condition that it is one of the (collection, scene) pairs, and its values."""
    marks = ",".join(["(?, ?)"] * len(pairs))
    return f"(collection, scene) IN (VALUES {marks})", list(chain(*pairs))


def _comparable(value: Value) -> str | float:
    """Numbers as float64, all else as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else float(value)
