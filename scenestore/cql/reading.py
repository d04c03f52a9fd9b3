"""CQL2, read into our own expressions: what is supported; the rest is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scenestore.cql.comparisons import MIRRORED, between, comparison, membership, subject
from scenestore.cql.form import form
from scenestore.cql.patterns import likeness
from scenestore.cql.places import meeting
from scenestore.cql.refusal import refusal
from scenestore.cql.times import OPERATORS, timing
from scenestore.errors import FilterError
from scenestore.expression import (
    FALSE,
    TRUE,
    All,
    Denied,
    Expression,
    OneOf,
    Some,
    Unknown,
    conditions,
    denied,
    joined,
)

MOST_CONDITIONS = 100
"""Of one filter: OpenSearch takes 1,024 clauses, those of the query included."""
MOST_VALUES = 500
"""All that the conditions of one filter compare with."""

_SUPPORTED = (
    "use =, <>, <, <=, >, >=, BETWEEN, IN, LIKE, IS NULL, AND, OR, NOT, S_INTERSECTS, T_AFTER, "
    "T_BEFORE, T_DURING, T_INTERSECTS, T_DISJOINT or T_EQUALS"
)
_CONDITIONS: dict[str, tuple[int, Callable[..., Expression]]] = {
    "between": (3, between),
    "in": (2, membership),
    "like": (2, likeness),
    "s_intersects": (2, meeting),
}
"""How many arguments they have, and what reads them."""


def read(given: str | Mapping[str, Any]) -> Expression:
    """The expression that CQL2 text, JSON text or JSON means.

    FilterError says in one line what is wrong, where, and what to do.
    """
    expression = _expression(form(given))
    single = list(conditions(expression))
    if len(single) > MOST_CONDITIONS:
        raise FilterError(
            f"filter: {len(single)} conditions are more than {MOST_CONDITIONS}; use IN where one "
            "property is compared often"
        )
    values = sum(map(_values, single))
    if values > MOST_VALUES:
        raise FilterError(
            f"filter: {values} values to compare with are more than {MOST_VALUES}; search by parts"
        )
    return expression


def _values(condition: Expression) -> int:
    match condition:
        case OneOf(values=values) | Denied(OneOf(values=values)):
            return len(values)
        case _:
            return 1


def _expression(node: Any) -> Expression:
    match node:
        case bool():
            return TRUE if node else FALSE
        case {"op": str(op), "args": [*args]}:
            return _operation(op.lower(), args, node)
        case _:
            do = "compare a property, as in cloud_cover < 10"
            raise refusal(node, "no condition is given", do)


def _operation(op: str, args: Sequence[Any], node: Any) -> Expression:
    match op:
        case "and" | "or":
            if not args:
                raise refusal(node, f"{op.upper()} has nothing to join", "give conditions")
            return joined(All if op == "and" else Some, map(_expression, args))
        case "not":
            _check(args, 1, node)
            return denied(_expression(args[0]))
        case "isnull":
            _check(args, 1, node)
            return Unknown(subject(args[0], "any", node))
    if op in MIRRORED:
        _check(args, 2, node)
        return comparison(op, args[0], args[1], node)
    if op in OPERATORS:
        _check(args, 2, node)
        return timing(op, args[0], args[1], node)
    if op in _CONDITIONS:
        count, condition = _CONDITIONS[op]
        _check(args, count, node)
        return condition(*args, node)
    raise refusal(node, f"{op.upper()[:40]!a} is not supported", _SUPPORTED)


def _check(args: Sequence[Any], count: int, node: Any) -> None:
    if len(args) != count:
        raise refusal(node, f"{len(args)} arguments are given, not {count}", "see docs/filters.md")
