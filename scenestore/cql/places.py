"""S_INTERSECTS in CQL2's JSON form."""

from __future__ import annotations

from typing import Any

from scenestore import areas
from scenestore.cql.comparisons import is_named, subject
from scenestore.cql.literals import literal
from scenestore.cql.refusal import refusal
from scenestore.expression import FOOTPRINT, Expression, Meets
from scenestore.filters import Box


def meeting(left: Any, right: Any, whole: Any) -> Expression:
    """The footprint has a point in common with a box or a geometry."""
    if is_named(right):
        left, right = right, left
    if subject(left, "any", whole) != FOOTPRINT:
        do = "write S_INTERSECTS(geometry, ...)"
        raise refusal(whole, "S_INTERSECTS is for the geometry", do)
    match right:
        case {"bbox": [*corners]}:
            return Meets(_box(corners, whole))
        case {"type": str(kind)} if not kind.startswith("Feature"):
            return Meets(areas.read(right))
        case _:
            do = "give POINT, LINESTRING, POLYGON, BBOX or a GeoJSON geometry"
            raise refusal(whole, "no geometry is given", do)


def _box(corners: list[Any], whole: Any) -> Box:
    numbers = [literal(corner, whole)[1][0] for corner in corners]
    degrees = [number for number in numbers if not isinstance(number, str)]
    if len(degrees) < len(numbers):
        raise refusal(whole, "a corner of the box is no number", "give degrees")
    return Box.of(degrees)
