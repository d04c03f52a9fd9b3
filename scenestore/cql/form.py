"""CQL2 as it comes, text or JSON, brought into its JSON form behind caps on length and depth.

The parser of texts (`cql2`) dies with a segmentation fault on deep nesting, and takes twice as long
for every parenthesis that is left open: 8 of them cost 0.2 s, 16 would cost a minute. So nothing
reaches it that was not measured first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import cql2

from scenestore.errors import FilterError

LONGEST_TEXT = 2_000
"""Characters of a filter as text."""
DEEPEST_TEXT = 8
"""Parentheses inside of each other."""
LONGEST_JSON = 500_000
"""Characters of a filter as JSON, or of a GeoJSON file: geometries are long."""
DEEPEST_JSON = 40
"""Arrays and objects inside of each other."""

_QUOTED = {"text": re.compile(r"'[^']*'?|\"[^\"]*\"?"), "json": re.compile(r'"(?:\\.|[^"\\])*"?')}
_BRACKETS = re.compile(r"[(\[{]|[)\]}]")
_FLATTER = "write it with fewer, or as several filters"
_POSITION = re.compile(r"-->\s*(\d+):(\d+)")


def form(given: str | Mapping[str, Any]) -> Any:
    """The JSON form of a filter that is a text, a JSON text (it starts with a brace) or JSON.

    FilterError says why it has none.
    """
    if isinstance(given, str) and not given.lstrip().startswith("{"):
        return _read_text(given)
    return read_json(given, "the filter")


def read_json(given: str | Mapping[str, Any], what: str) -> Any:
    """What JSON of bounded length and depth says, text or not; FilterError where it is none.

    Numbers that float64 cannot hold come as infinite.
    """
    try:
        text = given if isinstance(given, str) else json.dumps(given)
        _check(text, what, LONGEST_JSON, DEEPEST_JSON, "json")
        return json.loads(text, parse_int=_integer)
    except RecursionError as error:
        raise FilterError(f"{what} is nested deep; {_FLATTER}") from error
    except (TypeError, ValueError) as error:
        raise FilterError(
            f"{what} is no JSON: {error}; give a JSON object, its names and texts in double quotes"
        ) from error


def is_text(text: str) -> bool:
    """Whether it can be written down and sought: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 300 else float(digits)


def _read_text(text: str) -> Any:
    if not text.strip():
        raise FilterError("the filter is empty; give a condition such as: cloud_cover < 10")
    _check(text, "the filter", LONGEST_TEXT, DEEPEST_TEXT, "text")
    try:
        return cql2.parse_text(text).to_json()
    except (cql2.ParseError, cql2.ValidationError, ValueError) as error:
        raise FilterError(_unread(text, str(error))) from error


def _check(text: str, what: str, longest: int, deepest: int, syntax: str) -> None:
    if len(text) > longest:
        raise FilterError(f"{what} has {len(text):,} characters, more than {longest:,}; shorten it")
    if not is_text(text):
        raise FilterError(
            f"{what} has a character that is no text (NUL, or half a pair); leave it out"
        )
    depth = 0
    for bracket in _BRACKETS.findall(_QUOTED[syntax].sub("", text)):
        depth += 1 if bracket in "([{" else -1
        if depth > deepest:
            raise FilterError(f"{what} has brackets more than {deepest} deep; {_FLATTER}")


def _unread(text: str, said: str) -> str:
    """What to say where the parser stopped."""
    found = _POSITION.search(said)
    if found is None:
        return f"the filter is no CQL2: {said.splitlines()[0] if said else 'not understood'}"
    line, column = int(found[1]), int(found[2])
    lines = text.split("\n")
    rest = lines[line - 1][column - 1 :].strip() if line <= len(lines) else ""
    where = f"at character {column}, before {_short(rest)}" if rest else "at its end"
    if line > 1:
        where = f"in line {line} {where}"
    return (
        f"the filter is no CQL2 {where}; texts stand in single quotes, and docs/filters.md has "
        "examples"
    )


def _short(text: str) -> str:
    return ascii(text if len(text) <= 30 else f"{text[:30]}...")
