"""Footprints: GeoJSON geometries on the plane of longitude and latitude, and what they meet.

Both engines filter by what `Footprint.of` makes of a geometry, so that they agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from scenestore.filters import Box

_TURN = 360.0
_KNOWN = 4_096
"""Footprints that are kept: chips of a scene share one."""


@dataclass(frozen=True, eq=False)
class Footprint:
    """Where a scene lies; what crosses longitude 180 goes on beyond it, to 360 at most."""

    shape: shapely.Geometry
    as_given: bool
    """Whether that is what the geometry says."""

    @staticmethod
    def of(geometry: Mapping[str, Any], *, keep: bool = True) -> Footprint | None:
        """The footprint that a GeoJSON geometry means; None where it is none.

        `keep` is for what is soon asked again: it stays in memory.

        What is wider than 180 degrees, but not all around, crosses longitude 180. A polygon whose
        rings cross or touch themselves, or that has no area, is taken for its bounds: no engine can
        tell its inside.
        """
        try:
            known = not geometry["type"].startswith("Feature")
            read = _read if keep else _read.__wrapped__
            return read(json.dumps(geometry, allow_nan=False)) if known else None
        except (LookupError, TypeError, ValueError, AttributeError):
            return None

    @cached_property
    def parts(self) -> tuple[shapely.Geometry, ...]:
        """Points, lines and polygons that it is made of."""
        return tuple(_parts(self.shape))

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north; east is above 180 where a part crosses longitude 180."""
        west, south, east, north = self.shape.bounds
        return west, south, east, north

    @property
    def box(self) -> Box:
        """The least box that holds it; from -180 to 180 where it crosses longitude 180."""
        west, south, east, north = self.bounds
        return Box(-180.0, south, 180.0, north) if east > 180 else Box(west, south, east, north)

    @cached_property
    def is_box(self) -> bool:
        """Whether it is all of its box."""
        return self.bounds[2] <= 180 and bool(self.shape.equals(self.shape.envelope))

    @cached_property
    def longitudes(self) -> tuple[float, float]:
        """West and east of it; east is above 180 where it crosses longitude 180.

        Parts on both sides of longitude 180 are near each other.
        """
        west, _, east, _ = self.bounds
        spans = [(part.bounds[0], part.bounds[2]) for part in self.parts]
        turned = [(a + _TURN, b + _TURN) if a + b < 0 else (a, b) for a, b in spans]
        start, end = min(a for a, _ in turned), max(b for _, b in turned)
        return (start, end) if end - start < east - west else (west, east)

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle of its bounds."""
        _, south, _, north = self.bounds
        longitude = sum(self.longitudes) / 2
        return (longitude - _TURN if longitude > 180 else longitude), (south + north) / 2

    @property
    def bbox(self) -> Box:
        """Its bounds as GeoJSON has them: west is above east where it crosses longitude 180."""
        _, south, _, north = self.bounds
        west, east = (lon - _TURN if lon > 180 else lon for lon in self.longitudes)
        return Box(west, south, east, north)

    def cut(self) -> dict[str, Any]:
        """It as GeoJSON asks for: cut in parts where it crosses longitude 180."""
        if self.bounds[2] <= 180:
            return self.geometry()
        east = shapely.intersection(self.shape, shapely.box(-180, -90, 180, 90))
        beyond = shapely.intersection(self.shape, shapely.box(180, -90, 540, 90))
        west = shapely.transform(beyond, lambda corners: corners - (_TURN, 0.0))
        found: dict[str, Any] = json.loads(shapely.to_geojson(shapely.union(east, west)))
        return found

    def geometry(self) -> dict[str, Any]:
        """It as GeoJSON, with longitudes above 180 where it crosses longitude 180."""
        found: dict[str, Any] = json.loads(shapely.to_geojson(self.shape))
        return found


def meeting(shapes: NDArray[np.object_], places: Sequence[shapely.Geometry]) -> NDArray[np.bool_]:
    """Which shapes [n] of footprints have a point in common with one of the places.

    Places are points, lines and polygons from longitude -180 to 180.
    """
    parts, owners = shapely.get_parts(shapes, return_index=True)
    crossing = np.flatnonzero(shapely.bounds(parts)[:, 2] > 180)
    met = np.zeros(len(parts), np.bool_)
    for place in places:
        met |= shapely.intersects(parts, place)
        if len(crossing):
            turned = shapely.transform(place, lambda corners: corners + np.array([_TURN, 0.0]))
            met[crossing] |= shapely.intersects(parts[crossing], turned)
    return np.bincount(owners, met, len(shapes)) > 0


def boxed(box: Box) -> shapely.Geometry:
    """A box whose west <= east, be it a point or a line."""
    return shapely.box(*box).envelope


@lru_cache(_KNOWN)
def _read(text: str) -> Footprint | None:
    given = shapely.force_2d(shapely.from_geojson(text, on_invalid="ignore"))
    parts = [] if given is None else list(_parts(given))
    if not parts or not all(map(_is_on_earth, parts)):
        return None
    proper = [_proper(_unwrapped(part)) for part in parts]
    unchanged = all(new is old for new, old in zip(proper, parts, strict=True))
    shape = proper[0] if len(proper) == 1 else shapely.geometrycollections(proper)
    return Footprint(shape, unchanged)


def _parts(shape: shapely.Geometry) -> Iterator[shapely.Geometry]:
    for part in shapely.get_parts(shape):
        if part.geom_type in ("Point", "LineString", "Polygon"):
            yield part
        else:
            yield from _parts(part)


def _is_on_earth(part: shapely.Geometry) -> bool:
    corners = shapely.get_coordinates(part)
    return bool(len(corners)) and bool((np.abs(corners) <= (180, 90)).all())


def _unwrapped(part: shapely.Geometry) -> shapely.Geometry:
    west, _, east, _ = part.bounds
    if not 180 < east - west < _TURN:
        return part
    return shapely.transform(part, lambda corners: corners + (corners[:, :1] < 0) * (_TURN, 0.0))


def _proper(part: shapely.Geometry) -> shapely.Geometry:
    """The part itself; the bounds of one that has no clear inside."""
    return part if part.is_valid else part.envelope
