"""What is said where a filter cannot be."""

from __future__ import annotations

from typing import Any

from scenestore.errors import FilterError

_LONGEST = 60
_INFIX = {"=", "<>", "<", "<=", ">", ">=", "like", "in", "+", "-", "*", "/", "^"}


def refusal(where: Any, what: str, do: str) -> FilterError:
    """The error that names the condition, what is wrong with it, and what to do."""
    shown = written(where)
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    return FilterError(f"filter: {what} in {shown}; {do}")


def written(node: Any, budget: int = 200) -> str:
    """A node of CQL2's JSON form about as it is written as text; long ones in part."""
    if budget <= 0:
        return "..."
    match node:
        case {"property": str(name)}:
            return _one_line(name)
        case {"op": str(op), "args": [left, right]} if op.lower() in _INFIX:
            return f"{written(left, budget // 2)} {op.upper()} {written(right, budget // 2)}"
        case {"op": str(op), "args": [*args]}:
            return f"{_one_line(op).upper()}({_listed(args, budget)})"
        case {"date": str(text)} | {"timestamp": str(text)}:
            return f"{next(iter(node)).upper()}({_quoted(text)})"
        case {"type": str(kind), "coordinates": _}:
            return f"{_one_line(kind).upper()}(...)"
        case {"bbox": [*corners]}:
            return f"BBOX({_listed(corners, budget)})"
        case {"interval": [*ends]}:
            return f"INTERVAL({_listed(ends, budget)})"
        case bool() | None:
            return {True: "TRUE", False: "FALSE", None: "NULL"}[node]
        case int() | float():
            return f"{node:g}" if abs(node) < 1e300 else "a number"
        case str():
            return _quoted(node)
        case [*members]:
            return f"({_listed(members, budget)})"
        case _:
            return _one_line(str(node))


def _listed(nodes: list[Any], budget: int) -> str:
    shown = [written(node, budget // 2) for node in nodes[:4]]
    return ", ".join([*shown, "..."] if len(nodes) > len(shown) else shown)


def _quoted(text: str) -> str:
    return f"'{_one_line(text)}'"


def _one_line(text: str) -> str:
    return ascii(text[:_LONGEST])[1:-1]
