"""Footprints: GeoJSON geometries on the plane of longitude and latitude, and what they meet.

Both engines filter by what `Footprint.of` makes of a geometry, so that they agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenestore.filters import Box

Points = NDArray[np.float64]
"""Shape [n, 2]: longitudes and latitudes in degrees."""
Edges = NDArray[np.float64]
"""Shape [n, 4]: from (x, y) to (x, y); a point is an edge without length."""
_TURN = 360.0
_BLOCK = 256


@dataclass(frozen=True)
class Part:
    """A polygon (its outer ring, then holes), or a line or point (one path)."""

    paths: tuple[Points, ...]
    is_polygon: bool = False

    @property
    def is_sound(self) -> bool:
        """Whether it lies on Earth, and the rings of a polygon are closed."""
        on_earth = all(len(path) and (np.abs(path) <= (180, 90)).all() for path in self.paths)
        closed = all(len(path) > 3 and (path[0] == path[-1]).all() for path in self.paths)
        return bool(self.paths) and on_earth and (closed or not self.is_polygon)

    @cached_property
    def edges(self) -> Edges:
        """The edges of all paths."""
        return np.concatenate([_edges(path) for path in self.paths])

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north."""
        x, y = zip(*self.paths[0].tolist(), strict=True)  # of few points, numpy takes longer
        return min(x), min(y), max(x), max(y)

    @cached_property
    def is_box(self) -> bool:
        """Whether it is all of its bounds: a point, or a rectangle along the meridians."""
        if not self.is_polygon:
            return bool((self.paths[0] == self.paths[0][0]).all())
        if len(self.paths) != 1 or len(self.paths[0]) != 5:
            return False
        corners = [tuple(corner) for corner in self.paths[0].tolist()]
        upright = all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(corners))
        return upright and len({*corners[:4]}) == 4

    def meets(self, box: Box) -> bool:
        """Whether an edge meets the box, or the box lies inside of the polygon."""
        x0, y0, x1, y1 = self.edges.T
        near = (
            (np.minimum(x0, x1) <= box.east)
            & (np.maximum(x0, x1) >= box.west)
            & (np.minimum(y0, y1) <= box.north)
            & (np.maximum(y0, y1) >= box.south)
        )
        # Such an edge misses the box only where all four corners lie on one side of its line.
        x0, y0, x1, y1 = self.edges[near].T
        x = np.array([[box.west], [box.west], [box.east], [box.east]])
        y = np.array([[box.south], [box.north], [box.south], [box.north]])
        side = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)
        if side.size and ((side.min(axis=0) <= 0) & (side.max(axis=0) >= 0)).any():
            return True
        return self.is_polygon and _encloses(self.edges, box.west, box.south)

    def geometry(self) -> dict[str, Any]:
        """It as GeoJSON."""
        if self.is_polygon:
            return {"type": "Polygon", "coordinates": [path.tolist() for path in self.paths]}
        (path,) = self.paths
        if len(path) == 1:
            return {"type": "Point", "coordinates": path[0].tolist()}
        return {"type": "LineString", "coordinates": path.tolist()}


@dataclass(frozen=True)
class Footprint:
    """Where a scene lies; what crosses longitude 180 goes on beyond it, to 360 at most."""

    parts: tuple[Part, ...]
    as_given: bool
    """Whether all parts are what the geometry says, letter by letter."""

    @classmethod
    def of(cls, geometry: Mapping[str, Any]) -> Footprint | None:
        """The footprint that a GeoJSON geometry means; None where it is none.

        What is wider than 180 degrees, but not all around, crosses longitude 180. A polygon whose
        rings cross, or that has no area, is taken for its bounds: no engine can tell its inside.
        """
        try:
            given = list(_parts(geometry))
        except (LookupError, TypeError, ValueError, AttributeError):
            return None
        if not given or not all(part.is_sound for part in given):
            return None
        parts = tuple(_proper(_unwrapped(part)) for part in given)
        unchanged = all(new is old for new, old in zip(parts, given, strict=True))
        return cls(parts, unchanged)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north; east is above 180 where a part crosses longitude 180."""
        west, south, east, north = zip(*(part.bounds for part in self.parts), strict=True)
        return min(west), min(south), max(east), max(north)

    @property
    def box(self) -> Box:
        """The least box that holds it; from -180 to 180 where it crosses longitude 180."""
        west, south, east, north = self.bounds
        return Box(-180.0, south, 180.0, north) if east > 180 else Box(west, south, east, north)

    @property
    def is_box(self) -> bool:
        """Whether it is all of its box."""
        return len(self.parts) == 1 and self.parts[0].is_box and self.bounds[2] <= 180

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of the middle of its bounds.

        Parts on both sides of longitude 180 are near each other.
        """
        west, south, east, north = self.bounds
        spans = [(part.bounds[0], part.bounds[2]) for part in self.parts]
        turned = [(a + _TURN, b + _TURN) if a + b < 0 else (a, b) for a, b in spans]
        start, end = min(a for a, _ in turned), max(b for _, b in turned)
        longitude = (start + end if end - start < east - west else west + east) / 2
        return (longitude - _TURN if longitude > 180 else longitude), (south + north) / 2

    def meets(self, box: Box) -> bool:
        """Whether it has at least a point in common with a box whose west <= east."""
        turned = box._replace(west=box.west + _TURN, east=box.east + _TURN)
        return any(
            part.meets(box) or (part.bounds[2] > 180 and part.meets(turned)) for part in self.parts
        )

    def geometry(self) -> dict[str, Any]:
        """It as GeoJSON, with longitudes above 180 where it crosses longitude 180."""
        if len(self.parts) == 1:
            return self.parts[0].geometry()
        members = [part.geometry() for part in self.parts]
        return {"type": "GeometryCollection", "geometries": members}


def _parts(geometry: Mapping[str, Any]) -> Iterator[Part]:
    if geometry["type"] == "GeometryCollection":
        for member in geometry["geometries"]:
            yield from _parts(member)
        return
    nested = geometry["coordinates"]
    match geometry["type"]:
        case "Point":
            yield Part((_points([nested]),))
        case "MultiPoint":
            yield from (Part((_points([position]),)) for position in nested)
        case "LineString":
            yield Part((_points(nested),))
        case "MultiLineString":
            yield from (Part((_points(line),)) for line in nested)
        case "Polygon":
            yield Part(tuple(map(_points, nested)), is_polygon=True)
        case "MultiPolygon":
            yield from (Part(tuple(map(_points, rings)), is_polygon=True) for rings in nested)
        case unknown:
            raise ValueError(unknown)


def _points(positions: Sequence[Sequence[float]]) -> Points:
    """Longitude and latitude of each position; a height is left out."""
    return np.array([(longitude, latitude) for longitude, latitude, *_ in positions], np.float64)


def _edges(path: Points) -> Edges:
    starts = path[:-1] if len(path) > 1 else path
    return np.hstack([starts, path[1:] if len(path) > 1 else path])


def _unwrapped(part: Part) -> Part:
    west, _, east, _ = part.bounds
    if not 180 < east - west < _TURN:
        return part
    shifts = (np.array([[_TURN, 0.0]]) * (path[:, :1] < 0) for path in part.paths)
    moved = tuple(path + shift for path, shift in zip(part.paths, shifts, strict=True))
    return Part(moved, part.is_polygon)


def _proper(part: Part) -> Part:
    """The part itself; the bounds of a polygon that has no clear inside."""
    if not part.is_polygon or part.is_box:
        return part
    west, south, east, north = part.bounds
    if west == east or south == north:
        path = np.array([(west, south), (east, north)])
        return Part((path if (path[0] != path[1]).any() else path[:1],))
    if _area(part.paths[0]) != 0 and not _crosses_itself(part.edges):
        return part
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return Part((np.array(corners),), is_polygon=True)


def _area(ring: Points) -> float:
    """Twice the area that a ring encloses."""
    x, y = (ring - ring[0]).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def _crosses_itself(edges: Edges) -> bool:
    """Whether two edges have a point in common that is inside of both."""
    for start in range(0, len(edges), _BLOCK):
        block = edges[start : start + _BLOCK, None, :]
        one = _side(block, edges[:, :2]) * _side(block, edges[:, 2:])
        other = _side(edges, block[..., :2]) * _side(edges, block[..., 2:])
        if ((one < 0) & (other < 0)).any():
            return True
    return False


def _side(edges: Edges, points: Points) -> NDArray[np.float64]:
    """On which side of the edges' lines the points lie: -1, 0 or 1."""
    x0, y0, x1, y1 = np.moveaxis(edges, -1, 0)
    cross: NDArray[np.float64] = (x1 - x0) * (points[..., 1] - y0) - (y1 - y0) * (
        points[..., 0] - x0
    )
    return np.sign(cross)


def _encloses(edges: Edges, x: float, y: float) -> bool:
    """Whether a ray from the point to the east crosses an odd number of a polygon's edges."""
    x0, y0, x1, y1 = edges[(edges[:, 1] > y) != (edges[:, 3] > y)].T
    return bool(np.count_nonzero(x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)) % 2)
