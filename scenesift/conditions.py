"""Conditions as the command line spells them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from scenestore.conditions import GeoJson
from scenestore.cql.form import LONGEST_JSON, read_json
from scenestore.errors import FilterError
from scenestore.filters import Value


def geojson(file: Path) -> GeoJson:
    """What a GeoJSON file says; FilterError where it is none."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            found = read_json(opened.read(LONGEST_JSON + 1), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise FilterError(f"cannot read {file}: {error}; give a GeoJSON file") from error
    if not isinstance(found, dict):
        raise FilterError(f"{file} is no GeoJSON: it holds no object")
    return found


def properties(pairs: Iterable[str]) -> dict[str, tuple[Value, ...]]:
    """The properties that NAME=VALUE texts ask for.

    A value that reads as a number, true or false may be that or a text of this spelling.
    """
    wanted: dict[str, tuple[Value, ...]] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise FilterError(f"property {pair!a} has no value to compare with; give NAME=VALUE")
        if name in wanted:
            raise FilterError(f"property {name!a} is given twice; one value a property")
        wanted[name] = (text, *_numbers(text))
    return wanted


def _numbers(text: str) -> Iterable[float]:
    try:
        value = json.loads(text)
        number = float(value) if type(value) in (int, float) else None
    except (ValueError, OverflowError):
        return ()
    return () if number is None else (number,)
