"""Where a scene lies: boxes that its footprint meets, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from scenestore.filters import Box
from scenestore.footprint import Footprint
from tests.scenestore.filtering import meets


def polygon(*rings: list[list[float]]) -> dict[str, Any]:
    """A GeoJSON polygon; rings are closed here."""
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]] for ring in rings]}


def footprint(geometry: dict[str, Any]) -> Footprint:
    """It is one."""
    found = Footprint.of(geometry)
    assert found is not None
    return found


SQUARE = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]
TRIANGLE = polygon([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
RING = polygon(SQUARE, [[2.0, 2.0], [2.0, 8.0], [8.0, 8.0], [8.0, 2.0]])
FIJI = polygon([[177.0, -19.0], [-178.0, -19.0], [-178.0, -16.0], [177.0, -16.0]])
TOUCHING = polygon([[0.0, 0.0], [10.0, 0.0], [5.0, 5.0], [10.0, 10.0], [0.0, 10.0], [5.0, 5.0]])
BOW = polygon([[0.0, 0.0], [10.0, 10.0], [10.0, 0.0], [0.0, 10.0]])


@pytest.mark.parametrize(
    ("geometry", "box", "expected"),
    [
        (TRIANGLE, Box(1, 1, 2, 2), True),
        (TRIANGLE, Box(6, 6, 9, 9), False),  # within its bounds, beyond its slope
        (TRIANGLE, Box(5, 5, 9, 9), True),  # touches the slope
        (TRIANGLE, Box(-5, -5, 20, 20), True),
        (TRIANGLE, Box(10, 0, 12, 1), True),  # touches a corner
        (TRIANGLE, Box(10.001, 0, 12, 1), False),
        (TRIANGLE, Box(-1, 4, 11, 4), True),  # a box without height
        (TRIANGLE, Box(3, 3, 3, 3), True),  # a point
        (RING, Box(3, 3, 7, 7), False),  # in the hole
        (RING, Box(3, 3, 8, 7), True),  # touches the hole's edge
        (FIJI, Box(-180, -18, -179, -17), True),
        (FIJI, Box(178, -18, 179, -17), True),
        (FIJI, Box(-177, -18, 176, -17), False),
        (BOW, Box(4, 8, 6, 9), True),  # its rings cross, so it is taken for its bounds
        (TOUCHING, Box(0, 4, 1, 6), True),  # its ring touches itself: the same
        (polygon([[0.0, 0.0], [0.0, 5.0], [0.0, 9.0]]), Box(0, 2, 3, 3), True),  # without area
        (polygon([[0.0, 0.0], [0.0, 5.0], [0.0, 9.0]]), Box(1, 2, 3, 3), False),
        ({"type": "LineString", "coordinates": [[5, 5], [5, 5]]}, Box(5, 5, 6, 6), True),
        ({"type": "Point", "coordinates": [5, 5, 400]}, Box(5, 5, 6, 6), True),
        ({"type": "Point", "coordinates": [5, 5]}, Box(5.1, 5, 6, 6), False),
        ({"type": "LineString", "coordinates": [[0, 0], [10, 10]]}, Box(4, 5, 5, 6), True),
        ({"type": "LineString", "coordinates": [[0, 0], [10, 10]]}, Box(4, 6, 5, 7), False),
        ({"type": "GeometryCollection", "geometries": [TRIANGLE, FIJI]}, Box(1, 1, 2, 2), True),
    ],
)
def test_a_footprint_meets_what_it_has_a_point_in_common_with(
    geometry: dict[str, Any], box: Box, expected: bool
) -> None:
    assert meets(footprint(geometry), box) is expected


@pytest.mark.parametrize(
    ("geometry", "centre"),
    [
        (polygon(SQUARE), (5, 5)),
        (FIJI, (179.5, -17.5)),
        (polygon([[-180.0, -90.0], [180.0, -90.0], [180.0, 90.0], [-180.0, 90.0]]), (0, 0)),
    ],
)
def test_the_centre_is_the_middle_of_the_bounds(
    geometry: dict[str, Any], centre: tuple[float, float]
) -> None:
    assert footprint(geometry).centre == centre


def test_a_box_is_known_as_one_whichever_way_its_ring_runs() -> None:
    assert footprint(polygon(SQUARE)).is_box
    assert footprint(polygon(SQUARE[::-1])).is_box
    assert not footprint(TRIANGLE).is_box
    assert not footprint(RING).is_box
    assert not footprint(FIJI).is_box


@pytest.mark.parametrize(
    "geometry",
    [
        {},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[["x", "y"]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
        {"type": "Point", "coordinates": [200, 0]},
        {"type": "Point", "coordinates": [0, 91]},
        {"type": "Point", "coordinates": [float("nan"), 0]},
        {"type": "Blob", "coordinates": [0, 0]},
        {"type": 3, "coordinates": [0, 0]},
        {"type": "Point", "coordinates": [0]},
        {"type": "LineString", "coordinates": [[0, 0]]},
        {"type": "MultiPolygon", "coordinates": [[]]},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}},
        {"type": "GeometryCollection", "geometries": []},
    ],
)
def test_what_lies_nowhere_has_no_footprint(geometry: dict[str, Any]) -> None:
    assert Footprint.of(geometry) is None
