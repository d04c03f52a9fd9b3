"""T_AFTER, T_BEFORE, T_DURING, T_INTERSECTS, T_DISJOINT and T_EQUALS in CQL2's JSON form."""

from __future__ import annotations

from typing import Any

from scenestore.cql.comparisons import is_named, ordered, subject
from scenestore.cql.literals import span
from scenestore.cql.refusal import refusal
from scenestore.expression import Bound, Denied, Expression, Subject, Within, denied

_TURNED = {
    "t_after": "t_before",
    "t_before": "t_after",
    "t_disjoint": "t_disjoint",
    "t_intersects": "t_intersects",
    "t_equals": "t_equals",
}
"""What says the same with the property last."""
OPERATORS = frozenset({*_TURNED, "t_during"})


def timing(op: str, left: Any, right: Any, whole: Any) -> Expression:
    """An instant of the entry against an instant or an interval.

    An interval's ends belong to it, but for T_DURING, which is CQL2's own.
    """
    if is_named(right) and not is_named(left):
        if op not in _TURNED:
            raise refusal(whole, f"{op.upper()} has the property last", "put it first")
        left, right, op = right, left, _TURNED[op]
    on = subject(left, "instant", whole)
    if on.type != "instant":
        raise refusal(whole, f"{on.name} is no instant", "use datetime")
    is_interval = isinstance(right, dict) and "interval" in right
    if op == "t_during" and not is_interval:
        raise refusal(whole, "T_DURING takes an interval", "use T_INTERSECTS")
    if op == "t_equals" and is_interval:
        raise refusal(whole, "T_EQUALS takes an instant", "use T_INTERSECTS")
    first, last = span(right, whole)
    match op:
        case "t_after":
            return _beyond(">", on, last)
        case "t_before":
            return _beyond("<", on, first)
        case "t_during":
            return _inside(on, first, last, included=False)
        case "t_disjoint":
            return denied(_inside(on, first, last, included=True))
        case _:
            return _inside(on, first, last, included=True)


def _beyond(op: str, on: Subject, end: int | None) -> Expression:
    """Nothing is beyond an end that is open."""
    return Denied(Within(on)) if end is None else ordered(op, on, (end, end))


def _inside(on: Subject, first: int | None, last: int | None, *, included: bool) -> Within:
    low = None if first is None else Bound(first, included)
    high = None if last is None else Bound(last, included)
    return Within(on, low, high)
