"""Web Mercator tiles, numbered as OpenSearch's geotile_grid numbers them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenestore.filters import Box

DEEPEST = 12
"""The highest zoom: tiles of some 10 km at the equator."""
PLACE_ZOOM = 7
"""Of a place: entries whose centres lie in one tile of this zoom, some 300 km at the equator."""
_STEPS = 2.0**32
_EDGE = 1 - 2.0**-32


def tiles(
    longitudes: NDArray[np.float64], latitudes: NDArray[np.float64], zoom: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Column and row, [n] each, of the tiles that points lie in; degrees.

    What is nearer to a pole than tiles reach is of the first or the last row.
    """
    side = 1 << zoom
    columns = np.floor(side * (_kept(longitudes, 360.0) + 180.0) / 360.0)
    sines = np.sin(np.radians(_kept(latitudes, 180.0)))
    with np.errstate(divide="ignore"):
        rows = np.floor(side * (0.5 - np.log((1 + sines) / (1 - sines)) / (4 * np.pi)))
    return _within(columns, side), _within(rows, side)


def tile(longitude: float, latitude: float, zoom: int) -> str:
    """The tile that a point lies in, as `z/x/y`."""
    (column,), (row,) = tiles(np.array([longitude]), np.array([latitude]), zoom)
    return f"{zoom}/{column}/{row}"


def tile_box(name: str) -> Box:
    """The area of the tile `z/x/y`."""
    zoom, column, row = map(int, name.split("/"))
    side = 1 << zoom
    west, east = (360.0 * x / side - 180.0 for x in (column, column + 1))
    south, north = (
        math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / side)))) for y in (row + 1, row)
    )
    return Box(west, south, east, north)


def _kept(degrees: NDArray[np.float64], span: float) -> NDArray[np.float64]:
    """What Lucene keeps of a coordinate: 32 bits of the span, rounded down."""
    steps = np.floor(np.minimum(degrees / span, 0.5 * _EDGE) * _STEPS)
    return np.asarray(steps * (span / _STEPS))


def _within(places: NDArray[np.float64], side: int) -> NDArray[np.int64]:
    return np.clip(places, 0, side - 1).astype(np.int64)
