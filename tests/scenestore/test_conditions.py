"""One reader of each condition, whoever gives it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from scenestore.conditions import MOST_NAMES, box, conditions, interval, span
from scenestore.errors import FilterError
from scenestore.expression import PLATFORM, Meets, OneOf
from scenestore.filters import ANY, Box, Filter

POINT = {"type": "Point", "coordinates": [8.5, 47.5]}


def test_no_condition_is_any() -> None:
    assert conditions() == ANY


@pytest.mark.parametrize(
    "given", ["8, 47,9,48", "8,47,0,9,48,4e3", (8, 47, 9, 48), [8, 47, 0, 9, 48, 4000]]
)
def test_a_box_is_text_or_numbers_and_has_no_height(given: Any) -> None:
    assert box(given) == conditions(bbox=given).bbox == Box(8, 47, 9, 48)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "bbox '' is not numbers; give west,south,east,north in degrees"),
        ("8,47,9,x" * 100, "bbox '8,47,9,x8"),
        ("8;47;9;48", "give west,south,east,north in degrees"),
        ("8,47,9", "bbox 8, 47, 9 has 3 numbers; give west,south,east,north"),
        (range(1_000), "bbox 0, 1, 2, 3, 4, 5, ... has 1,000 numbers"),
        ("8,48,9,47", "upside down"),
        ("1e999,0,1,1", "a longitude is not from -180 to 180"),
        ("0,nan,1,1", "a latitude is not from -90 to 90"),
        ([0, 0, -9, 1, 95, 9], "a latitude is not from -90 to 90"),
    ],
)
def test_what_is_no_box_is_told_in_a_short_line(given: Any, said: str) -> None:
    with pytest.raises(FilterError) as refused:
        box(given)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_time_is_one_interval_or_two_ends() -> None:
    may = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert interval("2024-05") == span("2024-05", "2024-05") == may
    assert interval("2024-05/..") == span("2024-05", None) == (may[0], None)
    assert interval("/2024-05-31") == span(None, may[1]) == (None, may[1])
    assert span(None, None) == (None, None)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2024-02-30", "2024-W01", "20240531", "٢٠٢٤", "1/2"]
)
def test_what_is_no_time_is_told_alike(text: str) -> None:
    rest = "is not a date or time; give 2024, 2024-05, 2024-05-31 or 2024-05-31T10:30:00Z"
    if "/" not in text and text:
        with pytest.raises(FilterError, match="^datetime .* " + rest):
            interval(text)
    with pytest.raises(FilterError, match="^until .* " + rest):
        span(None, text)


def test_all_conditions_hold_together() -> None:
    made = conditions(
        collections=["b", "a", "b"],
        time=interval("2024"),
        bbox="8,47,9,48",
        cloud=(None, 20),
        properties={"orbit": 51, "pass": ["a", "b"]},
        filter="gsd < 10",
        intersects=json.dumps(POINT),
        others=[OneOf(PLATFORM, ("x",))],
    )
    since, until = interval("2024")
    assert made == Filter(
        collections=("b", "a"),
        since=since,
        until=until,
        bbox=Box(8, 47, 9, 48),
        cloud_cover=(0, 20),
        properties=(("orbit", (51,)), ("pass", ("a", "b"))),
        expressions=made.expressions,
    )
    assert made == conditions(
        ["b", "a"],
        interval("2024-01-01/2024"),
        [8, 47, 9, 48],
        (0, 20),
        {"orbit": 51, "pass": ["a", "b"]},
        {"op": "<", "args": [{"property": "gsd"}, 10]},
        POINT,
        [OneOf(PLATFORM, ("x",))],
    )
    kinds = [type(each) for each in made.expressions]
    assert (len(kinds), kinds[0], kinds[-1]) == (3, OneOf, Meets)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"collections": ["x"] * (MOST_NAMES + 1)}, "1,001 collections are more than 1,000"),
        ({"collections": ["a\0b"]}, "collections: one has a character that is no text"),
        ({"intersects": "{"}, "intersects is no JSON"),
        ({"intersects": "[]"}, "no GeoJSON"),
        ({"cloud": (60, 40)}, "swap them"),
        ({"cloud": (None, float("nan"))}, "0 to 100"),
        ({"filter": "gsd <"}, "at its end"),
        ({"properties": {"": 1}}, "no name"),
    ],
)
def test_conditions_that_cannot_be_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(FilterError, match=said):
        conditions(**given)
