"""Expressions in SQL, on the documents table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import chain

from scenestore.expression import (
    All,
    Bound,
    Denied,
    Expression,
    Known,
    Like,
    Meets,
    OneOf,
    Some,
    Subject,
    Test,
    Unknown,
    Wild,
    Within,
)
from scenestore.filters import Box
from scenestore.instants import date_milliseconds

Clause = tuple[str, list[object]]
"""A condition and the values of its parameters."""
Located = Callable[[Box | str], Sequence[int]]
"""Finds the keys of the entries whose footprint meets a place, which SQL alone cannot tell."""
_WILD = {Wild.MANY: "*", Wild.ONE: "?"}
_MEANT = str.maketrans({letter: f"[{letter}]" for letter in "*?["})
_TYPES = {"number": "real", "text": "text", "instant": "text"}
"""How properties of a type are kept."""


def clause(expression: Expression, located: Located) -> Clause:
    """The condition that is true for the entries that an expression is true for.

    Where the expression is neither true nor false, the condition is false or NULL.
    """
    match expression:
        case All(conditions):
            return _joined(" AND ", [clause(each, located) for each in conditions], "1")
        case Some(conditions):
            return _joined(" OR ", [clause(each, located) for each in conditions], "0")
        case Known(on):
            return _known(on, "")
        case Unknown(on):
            return _known(on, "NOT ")
        case Denied(test):
            return _tested(test, "NOT ", located)
        case test:
            return _tested(test, "", located)


def instant(value: object) -> int | None:
    """Milliseconds since 1970 of a property that is a date; SQL calls it."""
    return date_milliseconds(value) if isinstance(value, str) else None


def _joined(word: str, clauses: Sequence[Clause], without: str) -> Clause:
    if not clauses:
        return without, []
    texts, values = zip(*clauses, strict=True)
    return f"({word.join(texts)})", list(chain(*values))


def _known(on: Subject, negation: str) -> Clause:
    if on.is_property:
        return f"key {negation}IN (SELECT key FROM properties WHERE name = ?)", [on.name]
    return f"({negation}{_column(on)} NOT NULL)", []


def _tested(test: Test, negation: str, located: Located) -> Clause:
    if isinstance(test, Meets):
        keys = json.dumps(list(located(test.place)))
        within = f"key {negation}IN (SELECT value FROM json_each(?))"
        return f"(west NOT NULL AND {within})", [keys]
    on = test.subject
    if not on.is_property:
        compared, values = _compared(test, _column(on))
        return f"{negation}({compared})", values
    compared, values = _compared(test, "instant(value)" if on.type == "instant" else "value")
    return (
        f"key IN (SELECT key FROM properties WHERE name = ? AND typeof(value) = ? "
        f"AND {negation}({compared}))",
        [on.name, _TYPES[on.type], *values],
    )


def _column(on: Subject) -> str:
    return "west" if on.type == "place" else on.name


def _compared(test: Within | OneOf | Like, value: str) -> Clause:
    """NULL where the value is."""
    match test:
        case Within(_, None, None):
            return f"{value} = {value}", []
        case Within(_, low, high):
            ends = [_end(value, ">", low), _end(value, "<", high)]
            return _joined(" AND ", [end for end in ends if end is not None], "1")
        case OneOf(_, values, folded):
            marks = ",".join("?" * len(values))
            return f"{_folded(value, folded)} IN ({marks})", list(values)
        case Like(_, pattern, folded):
            pieces = (
                _WILD[piece] if isinstance(piece, Wild) else piece.translate(_MEANT)
                for piece in pattern
            )
            return f"{_folded(value, folded)} GLOB ?", ["".join(pieces)]


def _end(value: str, operator: str, bound: Bound | None) -> Clause | None:
    if bound is None:
        return None
    return f"{value} {operator}{'=' if bound.included else ''} ?", [bound.value]


def _folded(value: str, folded: bool) -> str:
    """SQLite's lower() turns A to Z only."""
    return f"lower({value})" if folded else value
