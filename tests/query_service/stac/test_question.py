"""What a search of items may ask, by GET and by POST alike, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from query_service.stac.asked import ItemsParameters, SearchBody, SearchParameters
from query_service.stac.question import Question, of_body, of_parameters
from scenestore.expression import GSD, SCENE, Bound, OneOf, Within
from scenestore.filters import Box
from sgpd.errors import SceneSiftError

POINT = {"type": "Point", "coordinates": [8.5, 47.5]}


def by_get(**asked: Any) -> Question:
    """What GET parameters ask."""
    return of_parameters(SearchParameters(**asked))


def by_post(**asked: Any) -> Question:
    """What the body of a POST asks."""
    return of_body(SearchBody.model_validate(asked))


def test_get_and_post_ask_alike() -> None:
    get = by_get(
        collections="a,b",
        ids="x~2Fy.tif,z",
        bbox="8,47,9,48",
        datetime="2024-05-01/..",
        limit=7,
        q="red fields, boats",
        filter="eo:cloud_cover < 10",
        fields="id,-assets",
        sortby=" datetime,-properties.gsd",
        token="t",
    )
    post = by_post(
        collections=["a", "b"],
        ids=["x~2Fy.tif", "z"],
        bbox=[8, 47, 0, 9, 48, 4000],
        datetime="2024-05-01T00:00:00Z/",
        limit=7,
        q=["red fields", "boats"],
        filter={"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]},
        fields={"include": ["id"], "exclude": ["assets"]},
        sortby=[
            {"field": "datetime", "direction": "asc"},
            {"field": "properties.gsd", "direction": "desc"},
        ],
        token="t",
    )
    assert get == post
    assert get.where.collections == ("a", "b")
    assert get.where.bbox == Box(8, 47, 9, 48)
    assert get.where.since == datetime(2024, 5, 1, tzinfo=UTC)
    assert get.where.until is None
    assert OneOf(SCENE, ("x/y.tif", "z")) in get.where.expressions
    assert get.order == ("datetime", "-gsd")
    assert get.text == "red fields, boats"


def test_the_items_of_a_collection_are_a_search_in_it() -> None:
    asked = ItemsParameters(collection_id="a", limit=5, filter="gsd < 10")
    assert of_parameters(asked) == by_get(collections="a", limit=5, filter="gsd < 10")


def test_intersects_is_an_area() -> None:
    assert by_get(intersects=json.dumps(POINT)) == by_post(intersects=POINT)


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2024-05-31T10:30:00Z", "2024-05-31T10:30:00", "2024-05-31T10:30:00"),
        ("2024-05-31t10:30:00.5z/..", "2024-05-31T10:30:00.500", None),
        ("../2024-05-31T12:30:00+02:00", None, "2024-05-31T10:30:00"),
        ("2024/2024-02", "2024-01-01T00:00:00", "2024-02-29T23:59:59.999999"),
        ("2024-05-31T10:30:00.000/", "2024-05-31T10:30:00", None),  # as QGIS writes it
    ],
)
def test_times_are_instants_days_or_ranges(text: str, since: str | None, until: str | None) -> None:
    where = by_get(datetime=text).where
    ends = [end and datetime.fromisoformat(end).replace(tzinfo=UTC) for end in (since, until)]
    assert [where.since, where.until] == ends


@pytest.mark.parametrize("op", ["=", "<>", "IN"])
def test_filters_by_id_are_filters_by_scene(op: str) -> None:
    id, scene = ("('a~2Fb')", "('a/b')") if op == "IN" else ("'a~2Fb'", "'a/b'")
    by_id = by_get(filter=f"NOT (id {op} {id} OR gsd > 1)")
    assert by_id == by_get(filter=f"NOT (scene {op} {scene} OR gsd > 1)")
    nothing = by_get(filter="id = 'a/b'")  # no item's id has a slash
    assert nothing.where.expressions == (OneOf(SCENE, ("",)),)


def test_filters_are_text_or_json_whatever_they_are_said_to_be() -> None:
    node = {"op": "<", "args": [{"property": "gsd"}, 10]}
    expected = (Within(GSD, high=Bound(10.0, included=False)),)
    for given in (json.dumps(node), "gsd < 10"):
        assert by_get(filter=given, filter_lang="cql2-json").where.expressions == expected
    assert by_post(filter="gsd < 10").where.expressions == expected
    assert by_get(filter="TRUE") == by_post(filter="true")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("boats  in a\tharbour", "boats in a harbour"),
        ('"boats" AND (harbour OR quay) +water', "boats harbour quay water"),
        ("Oregon and Orlando", "Oregon and Orlando"),
        ('harbour -ship (-"large boat" OR quay)', 'harbour -ship -"large boat" quay'),
    ],
)
def test_formulas_are_read_as_their_words(text: str, meant: str) -> None:
    assert by_get(q=text).text == meant


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"bbox": "8,47,9,48", "intersects": json.dumps(POINT)}, "give one of them"),
        ({"bbox": "8,48,9,47"}, "upside down"),
        ({"bbox": "8,47,9"}, "3 numbers"),
        ({"bbox": "a,b,c,d"}, "not numbers"),
        ({"bbox": "nan,0,0,0"}, "longitude"),
        ({"bbox": "8,47,9,1e999"}, "latitude"),
        ({"intersects": "{"}, "no JSON"),
        ({"intersects": "[]"}, "no GeoJSON"),
        ({"intersects": '{"type": "Polygon", "coordinates": []}'}, "no GeoJSON"),
        ({"datetime": "yesterday"}, "give 2024"),
        ({"datetime": "2024-02-30"}, "give 2024"),
        ({"datetime": "2024-W01"}, "give 2024"),
        ({"datetime": "1985-04-12T23:20:50.Z"}, "give 2024"),
        ({"datetime": "1985-04-12T23:20:50,52Z"}, "give 2024"),
        ({"datetime": "../.."}, "open at both ends"),
        ({"datetime": "1/2/3"}, "more than one slash"),
        ({"datetime": "2025/2024"}, "swap them"),
        ({"limit": 0}, "limit is below 1"),
        ({"limit": -(10**30)}, "limit is below 1"),
        ({"q": "x" * 2_001}, "shorten it"),
        ({"fields": ",".join(["x"] * 101)}, "name fewer"),
        ({"filter": "id LIKE 'a%'"}, "an id is compared with"),
        ({"filter": "gsd <"}, "no CQL2"),
        ({"filter": "'TRUE'"}, "no condition"),
        ({"filter": "gsd < 1", "filter_lang": "sql"}, "give cql2-text"),
        ({"filter": "gsd < 1", "filter_crs": "EPSG:3857"}, "not CRS84"),
        ({"ids": ",".join(["x"] * 1_001)}, "ask in parts"),
        ({"collections": "\ud800"}, "no text"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(SceneSiftError, match=said) as refused:
        by_get(**asked)
    assert "\n" not in str(refused.value)
    str(refused.value).encode()


def test_a_limit_beyond_the_largest_is_the_largest() -> None:
    assert by_get(limit=10**9).limit == by_post(limit=1_000).limit == 1_000


@pytest.mark.parametrize("asked", [{"sortby": [{"field": "gsd", "direction": "up"}]}])
def test_a_direction_is_up_or_down(asked: dict[str, Any]) -> None:
    with pytest.raises(SceneSiftError, match="asc or desc"):
        by_post(**asked)
