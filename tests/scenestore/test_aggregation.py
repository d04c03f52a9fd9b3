"""Counting entries that are at hand, and the map's tiles."""

from __future__ import annotations

import random

import pytest

from scenestore.aggregation import By, Grouping, of_entries
from scenestore.errors import FilterError
from scenestore.filters import ANY, Box
from scenestore.tiles import tile, tile_box
from tests.scenestore import listing_oracle


@pytest.mark.parametrize("by", ["year", "month", "day", "collection", "term", "tile"])
def test_entries_at_hand_are_counted_as_an_engine_counts_them(by: By) -> None:
    stored = dict(enumerate(listing_oracle.entries()))
    for most in (2, 1000):
        grouping = Grouping(by, most, zoom=5)
        expected = listing_oracle.counts(stored, ANY, grouping, "entry")
        assert of_entries(stored.values(), grouping) == expected


def test_a_tile_holds_its_points_and_has_edges_in_common_with_its_neighbours() -> None:
    chance = random.Random(3)
    for _ in range(500):
        zoom = chance.randint(0, 12)
        x, y = chance.uniform(-179.9, 179.9), chance.uniform(-85, 85)
        west, south, east, north = tile_box(tile(x, y, zoom))
        assert west <= x <= east
        assert south <= y <= north
    assert tile_box("0/0/0") == pytest.approx((-180, -85.0511288, 180, 85.0511288))
    assert tile_box("1/1/0") == pytest.approx(Box(0, 0, 180, 85.0511288))
    assert tile_box("12/100/200").south == tile_box("12/100/201").north


@pytest.mark.parametrize("wrong", [{"most": 0}, {"most": 10**9}, {"zoom": -1}, {"zoom": 13}])
def test_groupings_have_bounds(wrong: dict[str, int]) -> None:
    with pytest.raises(FilterError):
        Grouping("tile", **wrong)
