"""Values in CQL2's JSON form: numbers, texts, instants and intervals, checked."""

from __future__ import annotations

import math
from typing import Any

from scenestore.cql.form import is_text
from scenestore.cql.refusal import refusal
from scenestore.expression import Comparable, Type
from scenestore.instants import milliseconds, period

Ends = tuple[Comparable, Comparable]
"""First and last of what a value covers: a day its first and last millisecond since 1970, a number
or a text itself twice."""
_OPEN = ".."


def literal(node: Any, whole: Any) -> tuple[Type, Ends]:
    """Type and value of a literal in the condition `whole`; FilterError where it is none."""
    value: Comparable
    match node:
        case bool():
            value = str(node).lower()
            return "text", (value, value)
        case int() | float():
            value = _number(node, whole)
            return "number", (value, value)
        case str():
            if not is_text(node):
                what = "a text has a letter that is none (NUL, or half a pair)"
                raise refusal(whole, what, "leave it out")
            return "text", (node, node)
        case {"date": str(text)} | {"timestamp": str(text)}:
            return "instant", _ends(text, whole)
        case {"interval": _}:
            what = "an interval is no value to compare with"
            raise refusal(whole, what, "use T_DURING or T_INTERSECTS")
        case None:
            raise refusal(whole, "nothing is equal to NULL", "use IS NULL or IS NOT NULL")
        case {"property": str(name)}:
            do = f"give a value in place of {name!a}; texts stand in single quotes"
            raise refusal(whole, "two properties are compared", do)
        case _:
            raise refusal(whole, "a value is computed", "give a number, a text or a date")


def instant(node: Any, whole: Any) -> tuple[int, int]:
    """The first and last millisecond of a date, a timestamp, or a text that spells one."""
    match node:
        case {"date": str(text)} | {"timestamp": str(text)} | str(text):
            return _ends(text, whole)
        case _:
            do = "give one such as DATE('2024-05-31') or TIMESTAMP('2024-05-31T10:30:00Z')"
            raise refusal(whole, "no instant is given", do)


def span(node: Any, whole: Any) -> tuple[int | None, int | None]:
    """The same of an interval as well; both of its ends belong to it, None is an open one."""
    match node:
        case {"interval": [start, end]}:
            first = None if start == _OPEN else instant(start, whole)[0]
            last = None if end == _OPEN else instant(end, whole)[1]
            if first is not None and last is not None and first > last:
                raise refusal(whole, "the interval ends before it starts", "swap its ends")
            return first, last
        case _:
            return instant(node, whole)


def _number(value: float, whole: Any) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refusal(whole, "a number is not finite", "give one that float64 can hold")
    return number + 0.0  # no minus zero


def _ends(text: str, whole: Any) -> tuple[int, int]:
    try:
        first, last = period(text)
        return milliseconds(first), milliseconds(last)
    except (ValueError, OverflowError) as error:
        do = "give 2024, 2024-05, 2024-05-31 or 2024-05-31T10:30:00Z"
        raise refusal(whole, f"{text[:40]!a} is no date", do) from error
