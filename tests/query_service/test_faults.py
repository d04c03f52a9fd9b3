"""What is of the wrong form is refused in our words: which parameter, what it was, what to give."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from query_service.faults import faults
from tests.query_service.conftest import Client

Json = dict[str, Any]

JSON = {"Content-Type": "application/json"}
PYDANTICS = (
    "Input should",
    "should be",
    "should have",
    "should match",
    "Field required",
    "unable to",
    "Unable to",
    "not permitted",
    "decode",
    "Value error",
    "validation",
    "pydantic",
    "Object has no",
)
"""How pydantic speaks."""
ODD: list[Any] = [
    None, True, -1, 0, 1.5, 10**30, 10**400, 1e300, math.inf, math.nan,
    "", " ", "x", "-1", "1.5", "nan", "9" * 5_000, "x" * 70_000, "\ud800", "a\0b", "true",
    [], [[]], ["x"], [1, 2, 3, 4], [math.nan] * 4, ["x"] * 1_001, [None], ["\ud800"],
    {}, {"x": 1}, {"\ud800": 1}, {"type": "Point", "coordinates": None}, [{}], [{"field": 5}],
    {"include": "x", "exclude": [5]},
]  # fmt: skip
"""What a parameter of every type may be given."""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": 5}, "text: 5 is not a text; give a text"),
        ({"text": ["a"]}, "text: a list is not a text; give a text"),
        ({"text": "a", "k": "many"}, "k: 'many' is not a whole number; give a whole number"),
        ({"text": "a", "k": 1.5}, "k: 1.5 is not a whole number; give a whole number"),
        ({"text": "a", "k": None}, "k: null is not a whole number; give a whole number"),
        ({"text": "a", "k": 0}, "k: 0 is too small; give 1 or more"),
        ({"text": "a", "k": 2_000}, "k: 2,000 is too large; give 1,000 or less"),
        ({"text": "a", "k": 10**400}, "k: so large a number is too large; give 1,000 or less"),
        ({"text": "a", "max_cloud": "x"}, "max_cloud: 'x' is not a number; give a number"),
        ({"text": "a", "min_cloud": 101}, "min_cloud: 101 is too large; give 100 or less"),
        ({"text": "a", "explain": "x"}, "explain: 'x' is not true or false; give true or false"),
        ({"text": "a", "kind": "x"}, "kind: 'x' is none of them; give 'chip' or 'caption'"),
        ({"text": "a", "bbox": [1, 2]}, "bbox: 2 are fewer than 4; give more"),
        ({"text": "a", "bbox": "8,47"}, "bbox: '8,47' is not a list; give a list"),
        ({"text": "a", "bbox": [1, 2, 3, "x"]}, "bbox.3: 'x' is not a number; give a number"),
        ({"text": "a", "like": ["x"] * 33}, "like: there are more than 32; give fewer"),
        ({"text": "a", "like": [""]}, "like.0: 0 characters are fewer than 1; give more"),
        ({"text": "a", "recall": "0" * 21}, "recall: 21 characters are more than 20; shorten it"),
        ({"text": "a", "filter": 5}, "filter: 5 is not a text or a JSON object; give a text or a "),
        ({"text": "a", "intersects": []}, "intersects: a list is not a JSON object; give a JSON"),
        ({"text": "a", "kk": 3}, "kk: there is no such parameter here; mend its name, or leave"),
        ({"text": "a", "x" * 500: 3}, f"{'x' * 80}...: there is no such parameter"),
        ([1], "body: a list is not a JSON object; give a JSON object"),
        (
            {"text": "a", "k": 0, "kind": 1},
            "kind: 1 is none of them; give 'chip' or 'caption'; k: 0",
        ),
        ({f"x{number}": 1 for number in range(9)}, "; 4 more are wrong"),
    ],
)
def test_each_fault_says_where_what_and_what_to_give(client: Client, body: Any, said: str) -> None:
    assert said in client.refused(422, "POST", "/search", json=body)


def test_a_batch_names_the_search_and_what_is_no_json_is_told(client: Client) -> None:
    body = {"searches": [{"text": "a"}, {"text": "a", "filter": [], "bbox": {}}]}
    told = client.refused(422, "POST", "/search/batch", json=body)
    assert told == (
        "searches.1.bbox: an object is not a list; give a list; "
        "searches.1.filter: a list is not a text or a JSON object; give a text or a JSON object"
    )
    for path in ("/search", "/search/batch", "/stac/search"):
        told = client.refused(400, "POST", path, content=b'{"a": ', headers=JSON)
        assert told.endswith("is no JSON; send a JSON object")
    told = client.refused(400, "POST", "/stac/search", json={"q": [5]})
    assert told == "q.0: 5 is not a text; give a text"
    told = client.refused(400, "POST", "/stac/search", json={"q": {}})
    assert told == "q: an object is not a text or a list; give a text or a list"


def test_what_nobody_thought_of_keeps_pydantics_words() -> None:
    fault = {"type": "bytes_type", "loc": ("body", "x"), "msg": "Input should be bytes", "input": 5}
    assert faults([fault]) == "x: Input should be bytes"


def parameters(document: Json) -> Iterator[tuple[str, str, str, str]]:
    """Method, path, place and name of all that a document says can be given."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                yield method.upper(), path, parameter["in"], parameter["name"]
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                name = body["schema"]["$ref"].rpartition("/")[2]
                for member in document["components"]["schemas"][name]["properties"]:
                    yield method.upper(), path, "body", member


def requests(client: Client) -> Iterator[tuple[str, str, Json]]:
    """Every parameter of every path with every odd value; the rest is as it should be."""
    known = {"collection": "default", "collection_id": "default", "scene": "x", "id": "x"}
    for above in ("", "/stac"):
        document = client.get("/stac/api" if above else "/openapi.json")
        found = list(parameters(document))
        assert ("GET", "/search", "query", "filter") in found
        assert ("POST", "/search", "body", "filter") in found or not above
        for method, path, place, name in found:
            needed = {} if above else {"/search": {"text": "a"}, "/aggregate": {"by": "year"}}
            path = above + path
            for value in ODD:
                if place == "body":
                    content = json.dumps({**needed.get(path, {}), name: value})
                    yield method, path, {"content": content, "headers": JSON}
                elif place == "query":
                    text = value if isinstance(value, str) else json.dumps(value)
                    sent = {**needed.get(path, {}), name: sendable(text)}
                    yield method, path.format(**known, item_id="x"), {"params": sent}


def sendable(text: str) -> str:
    """A text as a URL can have it."""
    return text[:30_000].encode(errors="replace").decode()


def test_no_parameter_of_any_path_is_refused_in_pydantics_words(client: Client) -> None:
    refused = 0
    for method, path, options in requests(client):
        answer = client(method, path, **options)
        assert answer.status_code < 500, (method, path, options, answer.text)
        if answer.status_code >= 400:
            told = answer.json()["detail"]
            assert not [words for words in PYDANTICS if words in told], (path, options, told)
            assert "\n" not in told
            refused += 1
    assert refused > 1_000
