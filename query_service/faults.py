"""What pydantic finds wrong with a request, in our words: where, what it was, what to give.

Only for what parameters of ours can meet; of other faults pydantic's own words are told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Fault = Mapping[str, Any]
"""As pydantic has it: `type`, `loc`, `msg`, and what was given and asked for: `input`, `ctx`."""

_SHOWN = 40
"""Characters of what was given that are repeated."""
_LONGEST_NAME = 80
_MOST = 5
"""Faults that are told; the rest is counted."""
_TYPE = re.compile(r"(str|int|float|bool|list|dict|constrained|function)\b.*")
"""What pydantic adds to the place of a fault where one of several types would do."""
_WANTED = {
    "string_type": "a text",
    "dict_type": "a JSON object",
    "model_type": "a JSON object",
    "model_attributes_type": "a JSON object",
    "list_type": "a list",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a number that is finite",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
"""What faults of type ask for, by pydantic's name of the fault."""
_SAID: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "missing": lambda _, __: "is needed; give it",
    "extra_forbidden": lambda _, __: (
        "there is no such parameter here; mend its name, or leave it out"
    ),
    "json_invalid": lambda _, __: "this is no JSON; send a JSON object",
    "literal_error": lambda given, asked: (
        f"{_shown(given)} is none of them; give {asked['expected']}"
    ),
    "greater_than_equal": lambda given, asked: (
        f"{_shown(given)} is too small; give {_limit(asked['ge'])} or more"
    ),
    "less_than_equal": lambda given, asked: (
        f"{_shown(given)} is too large; give {_limit(asked['le'])} or less"
    ),
    "string_unicode": lambda _, __: (
        "it has a character that is no text (half a pair); leave that out"
    ),
    "string_too_short": lambda given, asked: (
        f"{len(given):,} characters are fewer than {asked['min_length']:,}; give more"
    ),
    "string_too_long": lambda given, asked: (
        f"{len(given):,} characters are more than {asked['max_length']:,}; shorten it"
    ),
    "too_short": lambda _, asked: (
        f"{asked['actual_length']:,} are fewer than {asked['min_length']:,}; give more"
    ),
    "too_long": lambda _, asked: f"there are more than {asked['max_length']:,}; give fewer",
}
"""What to say of other faults, from what was given and what was asked for."""


def faults(errors: Sequence[Fault]) -> str:
    """All that is wrong, in one line."""
    found: dict[str, list[Fault]] = {}
    for each in errors:
        found.setdefault(_place(each), []).append(each)
    # Where a list is one of several types that would do, what is wrong within it says it all.
    kept = [
        place
        for place, faults in found.items()
        if not (_are_of_type(faults) and any(other.startswith(f"{place}.") for other in found))
    ]
    said = [f"{place}: {_line(found[place])}" for place in kept[:_MOST]]
    more = len(kept) - _MOST
    return "; ".join([*said, *([f"{more:,} more are wrong"] if more > 0 else [])])


def _place(fault: Fault) -> str:
    """The parameter, with dots where it lies within another; `loc` begins with query or body."""
    first, *rest = [str(part) for part in fault["loc"][1:]] or ["body"]
    if fault["type"] == "json_invalid":
        return "body"
    if fault["type"] != "extra_forbidden":
        rest = [part for part in rest if not _TYPE.fullmatch(part)]
    name = ".".join([first, *rest])
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


def _are_of_type(faults: Iterable[Fault]) -> bool:
    return all(each["type"] in _WANTED for each in faults)


def _line(faults: Sequence[Fault]) -> str:
    """What is wrong at one place: each fault there is of another type that would do."""
    if _are_of_type(faults):
        wanted = " or ".join(dict.fromkeys(_WANTED[each["type"]] for each in faults))
        return f"{_shown(faults[0]['input'])} is not {wanted}; give {wanted}"
    fault = next(each for each in faults if each["type"] not in _WANTED)
    say = _SAID.get(fault["type"])
    return fault["msg"] if say is None else say(fault["input"], fault.get("ctx", {}))


def _limit(number: float) -> str:
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def _shown(given: Any) -> str:
    """What was given, shortened, in letters that every terminal shows."""
    match given:
        case str() | bytes():
            return ascii(given[:_SHOWN]) + ("..." if len(given) > _SHOWN else "")
        case bool():
            return "true" if given else "false"
        case None:
            return "null"
        case int():
            return f"{given:,}" if abs(given) < 10**15 else "so large a number"
        case float():
            return f"{given:g}"
        case Mapping():
            return "an object"
        case _:
            return "a list" if isinstance(given, Iterable) else "this"
