"""What filters can name: fields of an entry, and else its properties."""

from __future__ import annotations

from typing import Any

from scenestore.cql.form import is_text
from scenestore.cql.refusal import refusal
from scenestore.expression import FOOTPRINT, ORDERED, Subject, Type

FIELDS = {**ORDERED, "geometry": FOOTPRINT, "footprint": FOOTPRINT}
"""By the names that filters know them by; every other name is a property's."""
_INSTEAD = {
    "id": "name the scene; `--like` takes ids",
    "kind": "say what to find with `--kind`",
    "caption": "put the words into the query",
    "bbox": "use S_INTERSECTS(geometry, BBOX(west, south, east, north))",
}
_UNTOLD = "*?=\\"
"""In a property's name, OpenSearch takes them for something else."""
_LONGEST = 1_000
"""Characters of a name."""


def named(name: str, type: Type, whole: Any) -> Subject:
    """What a name stands for, as a property of that type; FilterError where nothing may."""
    if name in FIELDS:
        return FIELDS[name]
    if name in _INSTEAD:
        raise refusal(whole, f"{name} cannot be filtered by", _INSTEAD[name])
    untold = not is_text(name) or any(letter in name for letter in _UNTOLD)
    if not name or len(name) > _LONGEST or untold:
        what = f"a property's name is empty, long, or has one of {_UNTOLD}"
        raise refusal(whole, what, "filter by another")
    return Subject(name, type, is_property=True)
