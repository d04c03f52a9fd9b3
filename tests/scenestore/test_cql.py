"""CQL2: texts and JSON mean the same; what cannot be is refused in one line."""

from __future__ import annotations

import json
import re
from math import inf, nan
from pathlib import Path
from typing import Any

import cql2
import pytest
from hypothesis import assume, given, settings

from scenestore import areas, cql
from scenestore.cql.form import DEEPEST_TEXT, LONGEST_TEXT
from scenestore.errors import FilterError
from scenestore.expression import (
    CLOUD_COVER,
    DATETIME,
    GSD,
    PLATFORM,
    All,
    Bound,
    Denied,
    Known,
    Like,
    Meets,
    OneOf,
    Some,
    Subject,
    Unknown,
    Wild,
    Within,
)
from scenestore.filters import Box, Filter
from tests.scenestore import cql_filtering

DAY = 86_400_000
LOW_CLOUDS = Within(CLOUD_COVER, high=Bound(10.0, included=False))
LANDSAT = OneOf(PLATFORM, ("landsat-8",))
ORBIT = Subject("orbit", "number", is_property=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cloud_cover < 10 AND platform = 'landsat-8'", All((LOW_CLOUDS, LANDSAT))),
        ("eo:cloud_cover < 10", LOW_CLOUDS),
        ('"eo:cloud_cover" < 10', LOW_CLOUDS),
        ("10 > cloud_cover", LOW_CLOUDS),
        ("platform <> 'landsat-8'", Denied(LANDSAT)),
        ("NOT (cloud_cover < 10 OR gsd IS NULL)", All((Denied(LOW_CLOUDS), Known(GSD)))),
        ("NOT NOT platform = 'landsat-8'", LANDSAT),
        ("NOT gsd IS NOT NULL", Unknown(GSD)),
        ("orbit NOT IN (3, 4)", Denied(OneOf(ORBIT, (3.0, 4.0)))),
        ("orbit = -0.0", OneOf(ORBIT, (0.0,))),
        ("gsd BETWEEN 1 AND 2", Within(GSD, Bound(1.0, True), Bound(2.0, True))),
        ("nadir = TRUE", OneOf(Subject("nadir", "text", is_property=True), ("true",))),
        (
            "CASEI(platform) LIKE CASEI('L\\__%')",
            Like(PLATFORM, ("l", "_", Wild.ONE, Wild.MANY), folded=True),
        ),
        (
            "datetime = DATE('1970-01-02')",
            Within(DATETIME, Bound(DAY, True), Bound(2 * DAY - 1, True)),
        ),
        ("datetime > '1970-01-01'", Within(DATETIME, Bound(DAY - 1, False))),
        (
            "T_DURING(datetime, INTERVAL('..', '1970-01-02T00:00:00Z'))",
            Within(DATETIME, high=Bound(DAY, False)),
        ),
        ("T_AFTER(DATE('1970-01-02'), datetime)", Within(DATETIME, high=Bound(DAY, False))),
        ("S_INTERSECTS(geometry, BBOX(170, -20, -170, 20))", Meets(Box(170, -20, -170, 20))),
        ("S_INTERSECTS(footprint, BBOX(1, 2, 0, 3, 4, 9))", Meets(Box(1, 2, 3, 4))),
        ("true OR gsd IS NULL", Some((All(()), Unknown(GSD)))),
        ("NOT true", Some(())),
    ],
)
def test_a_text_means(text: str, expected: object) -> None:
    assert cql.read(text) == expected


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(node=cql_filtering.filters())
def test_a_text_means_what_its_json_means(node: Any) -> None:
    text = cql2.parse_json(json.dumps(node)).to_text()
    assume(len(text) <= LONGEST_TEXT and text.count("(") <= DEEPEST_TEXT)
    assert cql.read(text) == cql.read(node) == cql.read(json.dumps(node))


def test_the_examples_of_the_page_are_read() -> None:
    page = (Path(__file__).parents[2] / "docs/filters.md").read_text()
    texts, jsons = (
        re.findall(rf"```{name}\n(.*?)```", page, re.DOTALL) for name in ("cql2", "json")
    )
    assert (len(texts), len(jsons)) == (1, 1)
    for text in (*texts[0].splitlines(), *jsons):
        assert cql.read(text) not in (All(()), Some(()))


def test_an_area_is_the_same_as_geojson_and_as_text() -> None:
    corners = [[8, 47], [9, 47], [9, 48], [8, 47]]
    area = areas.read({"type": "Polygon", "coordinates": [corners]})
    text = "S_INTERSECTS(geometry, POLYGON((8 47, 9 47, 9 48, 8 47)))"
    assert cql.read(text) == Meets(area)
    assert Filter(expressions=(cql.read(text),)).narrows


TEXTS = [
    # --- no CQL2 at all
    ("", "empty"),
    ("cloud_cover <", "at its end"),
    ("cloud_cover <\n", "at its end"),
    ("cloud_cover <\u2028\x0b\x85 =", "at character"),
    ("cloud_cover < 10; DROP TABLE documents", "at character 17, before '; DROP TABLE"),
    ("cloud_cover == 10", "at character 14"),
    ("\n\ncloud_cover = = 10", "in line 3 at character 15"),
    ("cloud_cover < .5", "at character 15"),
    ("a" * 2_001, "2,001 characters, more than 2,000"),
    ("(" * 2_000, "more than 8 deep"),
    ("(" * 16 + "a = 1", "more than 8 deep"),
    ("a = 1 AND " * 199 + "b", "no condition is given"),
    ("a = '\0'", "NUL"),
    ("a = '\ud800'", "half a pair"),
    # --- what is not supported
    ("a = b", "two properties are compared in a = b; give a value in place of 'b'"),
    ("platform = landsat", "texts stand in single quotes"),
    ("a + 1 = 2", "'+' is no property in a + 1 = 2; name one as it is"),
    ("a = 1 + 1", "a value is computed"),
    ("a = 1 > 2", "a value is computed"),
    ("length(a) = 2", "'LENGTH' is no property in LENGTH(a) = 2; name one as it is"),
    ("now() = 2", "'NOW' is no property in NOW() = 2; name one as it is"),
    ("a = upper('x')", "a value is computed"),
    ("A_CONTAINS(a, (1, 2))", "'A_CONTAINS' is not supported"),
    ("S_WITHIN(geometry, POINT(1 1))", "'S_WITHIN' is not supported"),
    ("T_MEETS(datetime, INTERVAL('2020-01-01', '2021-01-01'))", "'T_MEETS' is not supported"),
    ("cloud_cover", "no condition is given"),
    ("1 = 1", "no property is named"),
    ("a = NULL", "use IS NULL"),
    ("ACCENTI(a) = ACCENTI('b')", "a value is computed"),
    ("caption LIKE '%ship%'", "put the words into the query"),
    ("id = 'x'", "name the scene"),
    ("kind = 'chip'", "--kind"),
    # --- values of a wrong type
    ("cloud_cover = 'x'", "'cloud_cover' is compared with what is no number in cloud_cover = 'x'"),
    ("platform = 8", "give a text"),
    ("platform = TRUE", "give a text"),
    ("orbit IN (1, 'x')", "give a number"),
    ("nadir IN (TRUE, 'x')", "give a text"),
    ("nadir > TRUE", "no order"),
    ("datetime > 2020", "no instant is given"),
    ("datetime > 'yesterday'", "'yesterday' is no date"),
    ("datetime > DATE('2020-02-30')", "'2020-02-30' is no date"),
    ("datetime = TIMESTAMP('0001-01-01T00:00:00+14:00')", "is no date"),
    ("gsd LIKE 'x%'", "give a number"),
    ("datetime LIKE '2020%'", "is no date"),
    ("platform LIKE 8", "the pattern is no text"),
    ("geometry = 'x'", "use S_INTERSECTS"),
    ("T_AFTER(platform, DATE('2020-01-01'))", "platform is no instant"),
    ("T_DURING(datetime, DATE('2020-01-01'))", "takes an interval"),
    ("T_EQUALS(datetime, INTERVAL('2020-01-01', '..'))", "takes an instant"),
    ("T_DURING(INTERVAL(a, b), INTERVAL('2020-01-01', '..'))", "no property is named"),
    ("T_AFTER(datetime, INTERVAL(a, '..'))", "no instant is given"),
    ("datetime = INTERVAL('2020-01-01', '..')", "use T_DURING"),
    # --- values that cannot be
    ("cloud_cover < 1e999", "not finite"),
    ("cloud_cover > -1e999", "not finite"),
    ("cloud_cover BETWEEN 5 AND 1", "swap them"),
    ("platform BETWEEN 'b' AND 'a'", "swap them"),
    ("datetime BETWEEN DATE('2021-01-01') AND DATE('2020-01-01')", "swap them"),
    ("T_DURING(datetime, INTERVAL('2021-01-01', '2020-01-01'))", "swap its ends"),
    ("CASEI(platform) = 'x'", "on one side only"),
    ("CASEI(orbit) = CASEI('x')", "CASEI is for platform"),
    ("CASEI(platform) = CASEI('é')", "A to Z"),
    ("CASEI(platform) < CASEI('x')", "no order"),
    (f"platform LIKE '{'x' * 101}'", "at most 100"),
    ("platform LIKE '%_______'", "at most 6"),
    ("platform LIKE 'x\\'", "ends with"),
    ('"a*b" = 1', "has one of"),
    ('"a=b" = 1', "has one of"),
    (" OR ".join(["a = 1"] * 101), "101 conditions are more than 100"),
    # --- places
    ("S_INTERSECTS(geometry, POINT(999 0))", "on Earth"),
    ("S_INTERSECTS(geometry, POINT(0 91))", "on Earth"),
    ("S_INTERSECTS(geometry, BBOX(0, 10, 5, -10))", "upside down"),
    ("S_INTERSECTS(geometry, BBOX(0, 0, 999, 1))", "longitude"),
    ("S_INTERSECTS(geometry, BBOX(0, 0, 1e999, 1))", "not finite"),
    ("S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 1 1)))", "on Earth"),
    ("S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 1 0, 0 1, 0 0)))", "clear inside"),
    ("S_INTERSECTS(geometry, POLYGON((0 0, 1 1, 0 0, 0 0)))", "clear inside"),
    ("S_INTERSECTS(geometry, POLYGON((-100 0, 100 0, 0 9, -100 0)))", "wider than 180"),
    ("S_INTERSECTS(platform, POINT(1 1))", "for the geometry"),
    ("S_INTERSECTS(geometry, 'POINT(1 1)')", "no geometry is given"),
    ("S_INTERSECTS(geometry, geometry)", "no geometry is given"),
]


@pytest.mark.parametrize(("text", "said"), TEXTS)
def test_a_text_that_cannot_be_is_refused_in_one_line(text: str, said: str) -> None:
    _refused(text, said)


def _a(op: str, *args: Any) -> dict[str, Any]:
    return {"op": op, "args": list(args)}


A: Any = {"property": "a"}
DEEP: Any = A
for _ in range(3_000):
    DEEP = _a("not", DEEP)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "no condition is given"),
        ({"op": "="}, "no condition is given"),
        ({"op": 5, "args": []}, "no condition is given"),
        (_a("=", A), "1 arguments are given, not 2"),
        (_a("and"), "nothing to join"),
        (_a("=", A, nan), "not finite"),
        (_a("=", A, -inf), "not finite"),
        (_a("=", A, 10**400), "not finite"),
        (_a("=", A, {"x": 1}), "a value is computed"),
        (_a("=", A, [1]), "a value is computed"),
        (_a("=", {"property": ""}, 1), "name is empty"),
        (_a("=", {"property": "x" * 5_000}, 1), "long"),
        (_a("=", {"property": 5}, 1), "no property is named"),
        (_a("in", A, []), "no list"),
        (_a("in", A, 5), "no list"),
        (_a("=", A, "\0"), "NUL"),
        (_a("=", {"property": "\ud800"}, 1), "has one of"),
        (_a("in", A, list(range(501))), "501 values"),
        (_a("s_intersects", {"property": "geometry"}, {"bbox": ["a", 1, 2, 3]}), "no number"),
        (_a("s_intersects", {"property": "geometry"}, {"bbox": [1, 2, 3]}), "3 numbers"),
        (_a("s_intersects", {"property": "geometry"}, {"type": "Polygon"}), "on Earth"),
        (_a("s_intersects", {"property": "geometry"}, {"type": "Feature"}), "no geometry"),
        (_a("t_during", A, {"interval": ["2020-01-01"]}), "no instant"),
        (_a("not", _a("frobnicate", A)), "'FROBNICATE' is not supported"),
        (DEEP, "deep"),
        ('{"op": "not"', "no JSON"),
        (
            "{'op': 'not'}",
            "column 2 (char 1); give a JSON object, its names and texts in double quotes",
        ),
        ('{"op": "=", "args": [{"property": "a"}, 1e999]}', "not finite"),
        ('{"op": "=", "args": [{"property": "a"}, NaN]}', "not finite"),
        ('{"op": "=", "args": [{"property": "a"}, "\\ud800"]}', "half a pair"),
        ('{"a":' * 100_001, "500,000"),
        ('{"a":[' * 5_000, "more than 40 deep"),
    ],
)
def test_json_that_cannot_be_is_refused_in_one_line(given: Any, said: str) -> None:
    _refused(given, said)


def test_an_area_of_too_many_positions_is_refused() -> None:
    line = [[i / 1_000, 0] for i in range(10_001)]
    with pytest.raises(FilterError, match="10,001 positions"):
        areas.read({"type": "LineString", "coordinates": line})


def _refused(given: Any, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        cql.read(given)
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert len(message) < 400
    message.encode()
