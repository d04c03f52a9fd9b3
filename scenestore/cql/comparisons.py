"""Comparisons in CQL2's JSON form: =, <>, <, <=, >, >=, BETWEEN and IN, read into conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenestore.cql.literals import Ends, instant, literal
from scenestore.cql.queryables import named
from scenestore.cql.refusal import refusal
from scenestore.expression import (
    Bound,
    Comparable,
    Expression,
    OneOf,
    Some,
    Subject,
    Type,
    Within,
    denied,
    joined,
)

MIRRORED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""Operators, with what says the same where the sides are swapped."""


def subject(node: Any, type: Type, whole: Any) -> Subject:
    """What a condition is on; as a property, of that type."""
    match node:
        case {"property": str(name)}:
            return named(name, type, whole)
        case {"op": str(op)}:
            what = f"{op.upper()[:40]!a} is no property"
            raise refusal(whole, what, "name one as it is, without functions and arithmetic")
        case _:
            raise refusal(whole, "no property is named", "name one, as in cloud_cover < 10")


def is_named(node: Any) -> bool:
    """Whether it is a property, in CASEI or not."""
    plain, _ = unfolded(node)
    return isinstance(plain, dict) and "property" in plain


def unfolded(node: Any) -> tuple[Any, bool]:
    """What stands in CASEI, and whether it does."""
    match node:
        case {"op": str(op), "args": [inner]} if op.lower() == "casei":
            return inner, True
        case _:
            return node, False


def typed(node: Any, given: Sequence[Any], whole: Any) -> tuple[Subject, list[Ends], bool]:
    """What is compared, the values of its type that it is compared with, and whether folded."""
    plain, folded = unfolded(node)
    pairs = [unfolded(value) for value in given]
    if any(in_casei != folded for _, in_casei in pairs):
        do = "put it on the property and on each value"
        raise refusal(whole, "CASEI is on one side only", do)
    values = [value for value, _ in pairs]
    found = [literal(value, whole) for value in values]
    on = subject(plain, found[0][0], whole)
    if on.type == "instant":
        return on, [instant(value, whole) for value in values], folded
    if on.type == "place":
        raise refusal(whole, "a geometry is compared", "use S_INTERSECTS or IS NULL")
    bools = [isinstance(value, bool) for value in values]
    if (
        any(type != on.type for type, _ in found)
        or len({*bools}) > 1
        or (any(bools) and not on.is_property)
    ):
        name = on.name if len(on.name) <= 60 else f"{on.name[:60]}..."
        raise refusal(whole, f"{name!a} is compared with what is no {on.type}", f"give a {on.type}")
    ends = [value for _, value in found]
    return on, [_folded(on, value, whole) for value in ends] if folded else ends, folded


def _folded(on: Subject, value: Ends, whole: Any) -> Ends:
    """With small letters; OpenSearch folds A to Z only, and a property's name along with it."""
    text = value[0]
    if on.is_property or not isinstance(text, str):
        raise refusal(whole, "CASEI is for platform, collection and scene", "leave it out")
    if not text.isascii():
        raise refusal(whole, "CASEI knows the letters A to Z only", "use IN with each spelling")
    return text.lower(), text.lower()


def comparison(op: str, left: Any, right: Any, whole: Any) -> Expression:
    """With one value, on either side."""
    if is_named(right) and not is_named(left):
        left, right, op = right, left, MIRRORED[op]
    on, (value,), folded = typed(left, [right], whole)
    if op in ("=", "<>"):
        equal = _equal(on, value, folded)
        return equal if op == "=" else denied(equal)
    _check_order(folded, right, whole)
    return ordered(op, on, value)


def between(what: Any, low: Any, high: Any, whole: Any) -> Expression:
    """With the least and the most, both included."""
    on, (least, most), folded = typed(what, [low, high], whole)
    _check_order(folded, low, whole)
    if _is_above(least[0], most[1]):
        raise refusal(whole, "the first value is above the second", "swap them")
    return Within(on, Bound(least[0], included=True), Bound(most[1], included=True))


def membership(what: Any, given: Any, whole: Any) -> Expression:
    """With several values, of which it is to be one."""
    if not isinstance(given, list) or not given:
        raise refusal(whole, "no list of values is given", "give one, as in gsd IN (10, 20)")
    on, values, folded = typed(what, given, whole)
    if on.type == "instant":
        return joined(Some, (_equal(on, value) for value in values))
    return OneOf(on, tuple(dict.fromkeys(value for value, _ in values)), folded)


def ordered(op: str, on: Subject, value: Ends) -> Expression:
    """What is before the first instant of a day is before the day, after its last after it."""
    first, last = value
    match op:
        case "<":
            return Within(on, high=Bound(first, included=False))
        case "<=":
            return Within(on, high=Bound(last, included=True))
        case ">":
            return Within(on, low=Bound(last, included=False))
        case _:
            return Within(on, low=Bound(first, included=True))


def _equal(on: Subject, value: Ends, folded: bool = False) -> Expression:
    if on.type == "instant":
        return Within(on, *(Bound(end, included=True) for end in value))
    return OneOf(on, value[:1], folded)


def _check_order(folded: bool, value: Any, whole: Any) -> None:
    if folded or isinstance(value, bool):
        raise refusal(whole, "true, false and CASEI have no order", "use = or IN")


def _is_above(one: Comparable, other: Comparable) -> bool:
    """Of two values of one type."""
    if isinstance(one, str) or isinstance(other, str):
        return str(one) > str(other)
    return one > other
