"""Areas to search in: GeoJSON that people and programs give, checked, and what footprints meet.

Stricter than footprints, which are taken as they come: a question can be put again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import shapely

from scenestore.errors import FilterError
from scenestore.footprint import Footprint

POSITIONS = 10_000
"""Corners an area may have. OpenSearch takes 0.1 to 0.3 s for a polygon of so many, and 0.7 s for
so many points (2 shared cores)."""
_KNOWN = 16
"""Areas that are kept prepared: some megabytes each at most."""


def read(geojson: Any) -> str:
    """The area of a GeoJSON geometry, feature or collection, in one spelling for `area`.

    FilterError says why it is none.
    """
    geometries = list(_geometries(geojson))
    if not geometries:
        raise FilterError("the collection of features is empty; give one with a geometry")
    given = geometries[0]
    if len(geometries) > 1:
        given = {"type": "GeometryCollection", "geometries": geometries}
    found = Footprint.of(given, keep=False) if isinstance(given, Mapping) else None
    if found is None:
        raise FilterError(
            f"{_short(given)} is no GeoJSON geometry on Earth: give a type and coordinates, "
            "longitude (-180 to 180) before latitude (-90 to 90), rings closed"
        )
    corners = int(shapely.get_num_coordinates(found.shape))
    if corners > POSITIONS:
        raise FilterError(
            f"the geometry has {corners:,} positions, more than {POSITIONS:,}; simplify it"
        )
    if found.bounds[2] > 180:
        raise FilterError(
            "the geometry has a part that is wider than 180 degrees, which does not say which way "
            "around the Earth it goes; split it at longitude 180, or give a bbox"
        )
    if not found.as_given:
        raise FilterError(
            "the geometry has a polygon whose rings cross or touch themselves, or that has no "
            "area; give one with a clear inside"
        )
    return json.dumps(found.geometry())


@lru_cache(_KNOWN)
def area(spelling: str) -> tuple[shapely.Geometry, ...]:
    """The points, lines and polygons of an area that `read` spelled, prepared to be compared."""
    found = Footprint.of(json.loads(spelling), keep=False)
    assert found is not None
    for part in found.parts:
        shapely.prepare(part)
    return found.parts


def _geometries(geojson: Any) -> Iterator[Any]:
    match geojson:
        case {"type": "FeatureCollection", "features": list(features)}:
            for feature in features:
                yield from _geometries(feature)
        case {"type": "Feature", "geometry": geometry}:
            yield geometry
        case geometry:
            yield geometry


def _short(given: Any) -> str:
    shown = ascii(given)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
