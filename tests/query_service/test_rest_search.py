"""`/search` as a client meets it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.query_service.conftest import Client

Json = dict[str, Any]


def scenes(answer: Json) -> list[str]:
    return [hit["scene"] for hit in answer["hits"]]


def ids(answer: Json) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def first_id(client: Client, scene: str) -> str:
    answer = client.post("/search", {"text": "a field", "k": 1000})
    return str(next(hit["id"] for hit in answer["hits"] if hit["scene"] == scene))


def test_a_text_finds_entries_with_all_that_is_known_of_them(client: Client) -> None:
    answer = client.post("/search", {"text": "a red field", "k": 5})
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3, 4, 5]
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    best = answer["hits"][0]
    colour, number = best["properties"]["colour"], best["properties"]["number"]
    assert best["scene"] == f"{colour}/{colour}{number}.png"
    assert best["caption"] == f"a {colour} field"
    assert best["cloud_cover"] == 10 * number
    assert best["footprint"]["type"] == "Polygon"
    assert (answer["strategy"], answer["expected_recall"]) == ("exhaustive", 1.0)
    assert answer["milliseconds"]["embedding"] > 0
    assert "explained" not in answer


def test_get_and_post_and_a_form_ask_the_same(client: Client) -> None:
    asked: Json = {"text": "a red field", "k": 4, "bbox": [8, 30, 9, 50], "max_cloud": 50}
    parameters = {**asked, "bbox": "8,30,9,50"}
    by_post = client.post("/search", asked)
    by_get = client.get("/search", **parameters)
    # A part without a file name is a field.
    form = {name: (None, str(value)) for name, value in parameters.items()}
    by_form = client("POST", "/search", files=form).json()
    assert by_post["hits"] == by_get["hits"] == by_form["hits"]
    assert len(by_post["hits"]) == 4


@pytest.mark.parametrize("way", ["file", "base64", "data URI", "GET"])
def test_an_image_finds_itself(client: Client, images: Path, way: str) -> None:
    content = (images / "green/green3.png").read_bytes()
    text = base64.b64encode(content).decode()
    if way == "file":
        files = {"image": ("x.png", content), "k": (None, "3")}
        answer = client("POST", "/search", files=files).json()
    elif way == "GET":
        answer = client.get("/search", image=text, k=3)
    else:
        prefix = "data:image/png;base64," if way == "data URI" else ""
        answer = client.post("/search", {"image": prefix + text, "k": 3})
    assert scenes(answer)[0] == "green/green3.png"
    assert answer["hits"][0]["score"] > 0.999
    assert answer["expected_recall"] == 1.0


def test_an_entry_finds_others_like_it_and_not_its_own_scene(client: Client) -> None:
    own = first_id(client, "blue/blue1.png")
    answer = client.post("/search", {"like": [own], "k": 1000})
    assert len(answer["hits"]) == 23
    assert "blue/blue1.png" not in scenes(answer)
    assert answer["expected_recall"] == 1.0
    assert client.get("/search", like=own, k=1000)["hits"] == answer["hits"]


def test_a_mixture_has_no_expected_recall_and_leans_to_what_it_is_made_of(client: Client) -> None:
    red, blue = first_id(client, "red/red1.png"), first_id(client, "blue/blue1.png")
    plain = client.post("/search", {"like": [red], "k": 1000})
    mixed = client.post("/search", {"like": [red], "unlike": [blue], "k": 1000})
    assert mixed["expected_recall"] is None
    assert set(scenes(mixed)) == set(scenes(plain)) - {"blue/blue1.png"}

    def rank_of_blues(answer: Json) -> float:
        ranks = [hit["rank"] for hit in answer["hits"] if hit["properties"]["colour"] == "blue"]
        return float(sum(ranks) / len(ranks))

    assert rank_of_blues(mixed) >= rank_of_blues(plain)
    text = client.post("/search", {"text": "a red field", "like": [red], "k": 3})
    assert text["expected_recall"] is None


def test_minus_words_change_the_ranks(client: Client) -> None:
    plain = client.post("/search", {"text": "a red field", "k": 24})
    minus = client.post("/search", {"text": "a red field -blue", "k": 24})
    quoted = client.post("/search", {"text": '-"blue" a red field', "k": 24})
    hyphen = client.post("/search", {"text": "a red field - - -1", "k": 24})
    assert minus["expected_recall"] is None
    assert [hit["score"] for hit in minus["hits"]] != [hit["score"] for hit in plain["hits"]]
    assert minus["hits"] == quoted["hits"]
    assert hyphen["expected_recall"] == 1.0


def test_what_cancels_out_is_refused(client: Client) -> None:
    red = first_id(client, "red/red1.png")
    blue = first_id(client, "blue/blue1.png")
    said = client.refused(400, "POST", "/search", json={"unlike": [red]})
    assert said.startswith("there is nothing to look for")
    answer = client.post("/search", {"like": [red, blue], "unlike": [red, blue], "k": 5})
    assert len(answer["hits"]) == 5


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({"bbox": [8, 40, 9, 42]}, 8),
        ({"bbox": [170, 30, -170, 50]}, 8),
        ({"bbox": [8, 40, 0, 9, 42, 9]}, 8),
        ({"intersects": {"type": "Point", "coordinates": [8.5, 40.02]}}, 1),
        ({"datetime": "2024-03"}, 3),
        ({"datetime": "2024-03-15T12:00:00Z/.."}, 18),
        ({"datetime": "../2024-02-15T12:00:00Z"}, 6),
        ({"datetime": "2024-02-15T13:00:00+01:00/2024-03-31"}, 6),
        ({"max_cloud": 20}, 9),
        ({"min_cloud": 60, "max_cloud": 70}, 6),
        ({"collections": ["default"]}, 24),
        ({"filter": "platform = 'landsat-8' AND number < 4"}, 6),
        ({"filter": {"op": "=", "args": [{"property": "colour"}, "red"]}}, 8),
        ({"filter": "colour = 'none'"}, 0),
        ({"filter": "colour = 'red'", "max_cloud": 10, "datetime": "2024-01/.."}, 2),
    ],
)
def test_conditions_keep_what_meets_them(client: Client, asked: Json, count: int) -> None:
    for strategy in ("auto", "guided"):
        body = {"text": "a field", "k": 1000, "strategy": strategy, **asked}
        assert len(client.post("/search", body)["hits"]) == count


@pytest.mark.parametrize("strategy", ["auto", "guided"])
@pytest.mark.parametrize(("kind", "group_by"), [("chip", None), ("caption", "scene")])
def test_pages_join_to_one_long_answer(
    client: Client, strategy: str, kind: str, group_by: str | None
) -> None:
    asked: Json = {"text": "a red field", "kind": kind, "strategy": strategy, "k": 5}
    asked |= {"group_by": group_by} if group_by else {}
    whole = client.post("/search", {**asked, "k": 1000})
    assert whole["next"] is None
    assert len(whole["hits"]) == 24
    hits: list[Json] = []
    page = client.post("/search", asked)
    while True:
        hits += page["hits"]
        if page["next"] is None:
            break
        page = client.post("/search", {**asked, "token": page["next"], "k": 7})
    if strategy == "auto":
        assert hits == whole["hits"]
    assert len({hit["id"] for hit in hits}) == len(hits) == 24
    assert [hit["rank"] for hit in hits] == list(range(1, 25))


def test_the_next_page_of_an_image_needs_the_token_alone(client: Client, images: Path) -> None:
    content = (images / "red/red0.png").read_bytes()
    first = client("POST", "/search", files={"image": content, "k": (None, "4")}).json()
    second = client.get("/search", token=first["next"], k=4)
    whole = client("POST", "/search", files={"image": content, "k": (None, "8")}).json()
    assert first["hits"] + second["hits"] == whole["hits"]


@pytest.mark.parametrize(("group_by", "count"), [("scene", 24), ("place", 3)])
@pytest.mark.parametrize("strategy", ["auto", "guided"])
def test_groups_give_the_best_of_each(
    client: Client, group_by: str, count: int, strategy: str
) -> None:
    asked = {"text": "a red field", "kind": "caption", "k": 1000, "strategy": strategy}
    every = client.post("/search", {**asked, "strategy": "auto"})
    grouped = client.post("/search", {**asked, "group_by": group_by})
    assert len(every["hits"]) == 48
    assert len(grouped["hits"]) == count
    assert grouped["expected_recall"] is None
    assert ids(grouped)[0] == ids(every)[0]
    some = client.post("/search", {**asked, "group_by": group_by, "k": 3})
    assert ids(some) == ids(grouped)[:3]


def test_a_least_score_cuts_the_rest_off(client: Client) -> None:
    every = client.post("/search", {"text": "a red field", "k": 24})["hits"]
    least = every[9]["score"]
    some = client.post("/search", {"text": "a red field", "k": 24, "min_score": least})
    assert some["hits"] == every[:10]
    assert some["next"] is None


def test_an_explanation_says_why(client: Client) -> None:
    asked = {"text": "a red field", "strategy": "guided", "explain": True}
    answer = client.post("/search", asked)
    assert answer["explained"]["terms"]
    assert answer["explained"]["guide"] > 0
    assert all("terms" in hit for hit in answer["hits"])


@pytest.mark.parametrize(
    "accept", ["application/geo+json", "text/html;q=0.5, application/geo+json"]
)
def test_geojson_by_the_accept_header(client: Client, accept: str) -> None:
    asked = {"text": "a red field", "k": 3}
    response = client("GET", "/search", params=asked, headers={"Accept": accept})
    assert response.headers["content-type"] == "application/geo+json"
    collection = response.json()
    assert collection["type"] == "FeatureCollection"
    assert [each["id"] for each in collection["features"]] == ids(client.get("/search", **asked))
    assert collection["features"][0]["geometry"]["type"] == "Polygon"
    assert "score" in collection["features"][0]["properties"]


def test_a_form_that_nobody_has_is_refused(client: Client) -> None:
    said = client.refused(
        406, "GET", "/search", params={"text": "a"}, headers={"Accept": "image/png"}
    )
    assert "application/geo+json" in said


def test_a_batch_answers_each_or_says_what_is_wrong_with_it(client: Client) -> None:
    searches: list[Json] = [
        {"text": "a red field", "k": 3},
        {"like": ["nobody"]},
        {"text": "a field", "filter": "((("},
        {"text": "a blue field", "k": 1},
    ]
    answers = client.post("/search/batch", {"searches": searches})["answers"]
    assert answers[0]["answer"]["hits"] == client.post("/search", searches[0])["hits"]
    assert [answer.get("problem", {}).get("status") for answer in answers] == [None, 400, 400, None]
    assert len(answers[3]["answer"]["hits"]) == 1


def test_a_batch_asks_for_no_more_hits_than_fit_in_memory(client: Client) -> None:
    searches: list[Json] = [{"text": "a red field", "k": 1000}] * 5
    assert len(client.post("/search/batch", {"searches": searches})["answers"]) == 5
    body = {"searches": [*searches, {"text": "a red field"}]}
    said = client.refused(422, "POST", "/search/batch", json=body)
    assert said == (
        "searches: the searches ask for 5,010 hits together (k), more than 5,000; ask for fewer, "
        "or send several batches"
    )
    described = client.get("/openapi.json")["components"]["schemas"]["BatchBody"]["properties"]
    assert "5,000" in described["searches"]["description"]


def test_searches_at_once_are_answered_as_one_by_one(client: Client) -> None:
    words = ["red", "green", "blue", "a field", "a picture of red", "red", "a", "of"]
    bodies = [{"text": word, "k": 6} for word in words]
    alone = [client.post("/search", body)["hits"] for body in bodies]
    together = client.at_once(*(("POST", "/search", {"json": body}) for body in bodies))
    assert [json.loads(answer.content)["hits"] for answer in together] == alone


def test_what_is_not_known_is_refused_as_a_problem(client: Client) -> None:
    said = client.refused(422, "POST", "/search", json={"text": "a red field", "kk": 5})
    assert said == "kk: there is no such parameter here; mend its name, or leave it out"
    assert "/openapi.json" in client.refused(404, "GET", "/nowhere")
    assert "/openapi.json" in client.refused(405, "DELETE", "/search")
