"""Filters that cannot be are refused in one line; periods are read as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import pytest

from scenestore import cql
from scenestore.errors import FilterError
from scenestore.filters import ANY, Box, Filter
from scenestore.instants import period


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0, 1, 2), "3 numbers"),
        ((0, 10, 5, -10), "upside down"),
        ((47, 8, 48, 95), "latitude"),
        ((-181, 0, 0, 1), "longitude"),
        ((nan, 0, 0, 1), "longitude"),
        ((0, nan, 0, 1), "latitude"),
        ((0, 0, inf, 1), "longitude"),
    ],
)
def test_a_box_that_is_none_is_refused(numbers: tuple[float, ...], said: str) -> None:
    with pytest.raises(FilterError, match=said) as caught:
        Box.of(numbers)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"since": datetime(2024, 2, 1), "until": datetime(2024, 1, 1)}, "after until"),
        ({"cloud_cover": (0, 101)}, "0 to 100"),
        ({"cloud_cover": (0, nan)}, "0 to 100"),
        ({"cloud_cover": (30, 20)}, "swap"),
        ({"bbox": Box(0, 1, 1, 0)}, "upside down"),
        ({"properties": (("", (1,)),)}, "no name"),
        ({"properties": (("orbit", ()),)}, "no value"),
        ({"properties": (("orbit", (nan,)),)}, "finite"),
        ({"properties": (("history", ("x" * 9000,)),)}, "8000"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(conditions: dict[str, Any], said: str) -> None:
    with pytest.raises(FilterError, match=said) as caught:
        Filter(**conditions)
    assert "\n" not in str(caught.value)


def test_only_conditions_that_may_keep_few_narrow() -> None:
    assert not ANY
    assert not ANY.narrows
    left_out = Filter(without_scenes=(("c", "s"),))
    assert left_out
    assert not left_out.narrows
    for where in (Filter(since=datetime(2024, 1, 1)), Filter(bbox=Box(0, 0, 0, 0))):
        assert where.narrows


def test_a_box_over_longitude_180_is_two() -> None:
    assert Box(170, -20, -170, 20).parts() == (Box(170, -20, 180, 20), Box(-180, -20, -170, 20))


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", "2024-01-01T00:00:00", "2024-12-31T23:59:59.999999"),
        ("2024-02", "2024-02-01T00:00:00", "2024-02-29T23:59:59.999999"),
        ("2024-02-03", "2024-02-03T00:00:00", "2024-02-03T23:59:59.999999"),
        ("2024-02-03T04:05", "2024-02-03T04:05:00", "2024-02-03T04:05:00"),
        ("2024-02-03T04:05:06+02:00", "2024-02-03T02:05:06", "2024-02-03T02:05:06"),
        ("2024-02-03T04:05:06Z", "2024-02-03T04:05:06", "2024-02-03T04:05:06"),
    ],
)
def test_a_period_has_a_first_and_a_last_instant(text: str, first: str, last: str) -> None:
    expected = tuple(datetime.fromisoformat(when).replace(tzinfo=UTC) for when in (first, last))
    assert period(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "2024-13", "2024-02-30", "24", "0000"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        period(text)


def _asking(text: str) -> Filter:
    return Filter(expressions=(cql.read(text),))


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        (ANY, ""),
        (Filter(without_scenes=(("c", "s"),)), ""),
        (Filter(collections=("c",)), "collection"),
        (Filter(scenes=(("c", "s"),)), "scene"),
        (Filter(since=datetime(2024, 1, 1)), "time"),
        (Filter(cloud_cover=(0, 5)), "cloud"),
        (Filter(bbox=Box(0, 0, 1, 1)), "place"),
        (Filter(properties=(("orbit", (51, "51")),)), "property"),
        (Filter(cloud_cover=(0, 5), bbox=Box(0, 0, 1, 1)), "several"),
        (_asking("cloud_cover < 5"), "cloud"),
        (_asking("cloud_cover > 5 AND cloud_cover < 9"), "cloud"),
        (_asking("cloud_cover < 5 AND orbit = 51"), "several"),
        (_asking("collection IN ('a', 'b')"), "collection"),
        (_asking("S_INTERSECTS(geometry, BBOX(0, 0, 1, 1))"), "place"),
        (_asking("S_INTERSECTS(geometry, POINT(0 0))"), "other"),
        (_asking("NOT cloud_cover < 5"), "other"),
        (_asking("cloud_cover < 5 OR orbit = 51"), "other"),
        (Filter(cloud_cover=(0, 5), expressions=(cql.read("gsd IS NULL"),)), "other"),
        (_asking("TRUE"), ""),
        (_asking("FALSE"), "other"),
    ],
)
def test_a_filter_has_the_kind_of_what_it_asks(where: Filter, kind: str) -> None:
    assert where.kind == kind
    assert where.narrows is bool(kind)
