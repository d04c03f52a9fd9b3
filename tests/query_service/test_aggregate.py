"""`/aggregate` as a client meets it: 24 images of three colours, eight each, two captions each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.query_service.conftest import Client


def groups(told: dict[str, Any]) -> dict[str, int]:
    return {group["value"]: group["count"] for group in told["groups"]}


def test_scenes_are_counted_by_month_in_the_order_of_time(client: Client) -> None:
    told = client.get("/aggregate", by="month")
    assert list(groups(told)) == [f"2024-0{month}" for month in range(1, 9)]
    assert set(groups(told).values()) == {3}
    assert (told["total"], told["unknown"], told["distinct"], told["others"]) == (24, 0, 8, 0)
    assert (told["by"], told["unit"], told["kind"], told["best"]) == (
        "month",
        "scene",
        "chip",
        None,
    )
    assert told["generation"]


def test_the_largest_groups_are_told_and_what_they_leave_out(client: Client) -> None:
    told = client.get("/aggregate", by="day", most=2)
    assert groups(told) == {"2024-01-15": 3, "2024-02-15": 3}
    assert (told["total"], told["distinct"], told["others"]) == (24, 8, 18)
    (only,) = client.get("/aggregate", by="collection")["groups"]
    assert only["count"] == 24


def test_captions_are_counted_one_by_one_or_by_scene(client: Client) -> None:
    for unit, total in (("entry", 48), ("scene", 24)):
        assert client.get("/aggregate", by="year", kind="caption", unit=unit)["total"] == total


def test_conditions_keep_what_is_counted(client: Client) -> None:
    where = {"bbox": "7,30,10,50", "max_cloud": 25, "filter": "platform = 'sentinel-2a'"}
    told = client.get("/aggregate", by="month", **where)
    assert groups(told) == {"2024-01": 1, "2024-03": 1}
    assert client.get("/aggregate", by="year", datetime="2023")["groups"] == []


def test_tiles_come_with_their_areas(client: Client) -> None:
    told = client.get("/aggregate", by="tile", zoom=3)
    assert groups(told) == {"3/4/3": 8, "3/5/3": 8, "3/7/3": 8}
    by_value = {group["value"]: group["bbox"] for group in told["groups"]}
    assert by_value["3/4/3"] == pytest.approx([0, 0, 45, 40.9798981], abs=1e-6)


def test_the_best_hits_of_a_search_are_counted(client: Client) -> None:
    best = client.post("/search", {"text": "a red field", "k": 5, "group_by": "scene"})["hits"]
    told = client.get("/aggregate", by="tile", zoom=3, text="a red field", best=5)
    assert (told["best"], told["total"]) == (5, 5)
    lies = {"red": "3/4/3", "green": "3/5/3", "blue": "3/7/3"}
    expected = [lies[hit["properties"]["colour"]] for hit in best]
    assert groups(told) == {tile: expected.count(tile) for tile in set(expected)}
    like = client.get("/aggregate", by="year", like=best[0]["id"], best=1000)
    assert like["total"] == 23
    captions = {"kind": "caption", "text": "a red field", "best": 1000}
    assert client.get("/aggregate", by="year", unit="entry", **captions)["total"] == 48
    assert client.get("/aggregate", by="year", unit="scene", **captions)["total"] == 24


def test_words_are_counted_once_an_entry(client: Client) -> None:
    told = client.get("/aggregate", by="term", most=1000)
    hits = client.post("/search", {"text": "a field", "k": 24})["hits"]
    words = [word for hit in hits for word in set(hit["words"])]
    assert groups(told) == {word: words.count(word) for word in set(words)}
    assert told["unknown"] == sum(not hit["words"] for hit in hits)


@pytest.mark.parametrize(
    ("status", "parameters", "says"),
    [
        (422, {}, "by: is needed"),
        (422, {"by": "planet"}, "by"),
        (422, {"by": "tile", "zoom": 13}, "zoom"),
        (422, {"by": "tile", "most": 0}, "most"),
        (422, {"by": "tile", "best": 1001}, "best"),
        (422, {"by": "tile", "k": 5}, "k"),
        (400, {"by": "tile", "bbox": "1,2,x,4"}, "bbox"),
        (400, {"by": "year", "bbox": "1,9,2,4"}, "upside down"),
        (400, {"by": "year", "filter": "cloud_cover <"}, "filter"),
        (400, {"by": "year", "collections": "nowhere"}, "no collection"),
        (400, {"by": "year", "text": " "}, "text"),
        (400, {"by": "year", "unlike": "x"}, "nothing to look for"),
        (400, {"by": "year", "min_score": 0.5}, "min_score"),
        (400, {"by": "year", "like": "x"}, "no entry has the id x"),
    ],
)
def test_what_cannot_be_counted_is_said(
    client: Client, status: int, parameters: dict[str, Any], says: str
) -> None:
    assert says in client.refused(status, "GET", "/aggregate", params=parameters)
