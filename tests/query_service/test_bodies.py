"""Bodies of every size: small ones are read at once, large ones by the threads that search."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from query_service.body import INLINE_BYTES, MOST_VALUES
from query_service.health import OPEN_PATHS
from query_service.rest.form import MOST_FIELDS
from tests.query_service.conftest import Client, serving, square

PATIENCE = 30.0
PADDING = " " * INLINE_BYTES
"""Makes JSON large."""
TEXT: dict[str, Any] = {"text": "a red field", "k": 3}
ASKED = [
    ("/search", TEXT, "hits"),
    ("/search/batch", {"searches": [TEXT, TEXT]}, "answers"),
    ("/stac/search", {"q": "a red field", "limit": 3}, "features"),
]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def busy(served_home: Path, model: Path) -> Iterator[Client]:
    """A service whose one thread is at work, while no request may wait."""
    with serving(served_home, model, serve_threads=1, serve_waiting=0) as client:
        held, done = threading.Event(), threading.Event()

        async def hold() -> None:
            work = client.app.state.service.work

            def wait() -> bool:
                held.set()
                return done.wait(PATIENCE)

            task = asyncio.create_task(work.run(wait))
            while not held.is_set():
                await asyncio.sleep(0.005)
            holding.append(task)

        holding: list[Any] = []
        client.run(hold())
        yield client
        done.set()


@pytest.mark.parametrize(("path", "asked", "found"), ASKED)
def test_a_large_body_asks_for_the_same_as_a_small_one(
    client: Client, path: str, asked: Any, found: str
) -> None:
    small = client("POST", path, json=asked)
    large = client("POST", path, content=json.dumps(asked) + PADDING, headers=JSON)
    assert small.status_code == large.status_code == 200, large.text
    ids = [str(each) for each in small.json()[found]]
    assert len(ids) == len(large.json()[found]) > 0


@pytest.mark.parametrize(("path", "asked", "found"), ASKED)
def test_only_large_bodies_wait_for_a_thread_to_be_read(
    busy: Client, path: str, asked: Any, found: str
) -> None:
    broken = json.dumps(asked)[:-1]
    assert busy("POST", path, content=broken, headers=JSON).status_code == 400
    large = broken + PADDING
    assert busy("POST", path, content=large, headers=JSON).status_code == 429


@pytest.mark.parametrize("path", ["/search", "/search/batch", "/stac/search"])
def test_a_body_of_very_many_values_is_refused_unread(client: Client, path: str) -> None:
    content = b'{"intersects": [' + b"[]," * MOST_VALUES + b"[]]}"
    said = client.refused(413, "POST", path, content=content, headers=JSON)
    assert f"{MOST_VALUES:,} values" in said


def test_ten_of_the_largest_areas_fit_into_a_batch(client: Client) -> None:
    ring = square(8, 40)["coordinates"][0]
    west, south = ring[0]
    # Along its lower side, so that the ring goes around the square as before.
    corners = [[round(west + number / 10_000, 4), south] for number in range(9_990)]
    area = {"type": "Polygon", "coordinates": [[*corners, *ring[1:]]]}
    searches = [{"text": "a red field", "k": 1, "intersects": area}] * 10
    answers = client.post("/search/batch", {"searches": searches})["answers"]
    assert [len(each["answer"]["hits"]) for each in answers] == [1] * 10


@pytest.mark.parametrize("path", ["/search", "/search/batch", "/stac/search"])
def test_what_is_no_json_is_refused_alike(client: Client, path: str) -> None:
    assert client.refused(415, "POST", path, content=b"x", headers={"Content-Type": "text/xml"})
    assert "no JSON" in client.refused(400, "POST", path, content=b"[1", headers=JSON)
    many = json.dumps({"searches": 1, "text": 1, "bbox": "x", "k": PADDING}).encode()
    status = 400 if path.startswith("/stac") else 422
    assert client.refused(status, "POST", path, content=many, headers=JSON)


def form(*parts: tuple[str, bytes], end: bytes = b"--x--\r\n") -> dict[str, Any]:
    """A form as it is sent: heads and contents of its parts."""
    body = b"".join(
        f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
        for head, content in parts
    )
    return {"content": body + end, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


def test_a_form_is_taken_as_it_is_sent(client: Client, images: Path) -> None:
    image = (images / "green" / "green3.png").read_bytes()
    file = ('name="image"; filename="a b.png"\r\nContent-Type: image/png', image)
    (hit,) = client("POST", "/search", **form(file, ('name="k"', b"1"))).json()["hits"]
    assert hit["scene"] == "green/green3.png"
    pad = ('name="image"; filename="large"', image + b"\0" * INLINE_BYTES)
    (hit,) = client("POST", "/search", **form(pad, ('name="k"', b"1"))).json()["hits"]
    assert hit["scene"] == "green/green3.png"


TEXT_PART = ('name="text"', b"a field")


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (form(TEXT_PART, end=b""), "no end"),
        (form(('nome="text"', b"a field")), "no name"),
        (form(('name="text"', b"\xff")), "not UTF-8"),
        (form(('name="text"', b"x" * ((2 << 20) + 1))), "shorten it"),
        (form(*[TEXT_PART] * (MOST_FIELDS + 1)), "more than 40 fields"),
        (form(*[('name="image"; filename="x"', b"")] * 2), "several images"),
        (form(('name="text"\r\n' + "A: b\r\n" * 10_000, b"a field")), "cannot be read"),
        (form((f'name="text"\r\nA: {"b" * 100_000}', b"a field")), "cannot be read"),
        ({**form(TEXT_PART), "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
    ],
    ids=["end", "name", "utf8", "long", "fields", "images", "headers", "header", "boundary"],
)
def test_a_form_that_cannot_be_is_refused(client: Client, sent: Any, says: str) -> None:
    assert says in client.refused(400, "POST", "/search", **sent)


def test_both_documents_say_what_the_bodies_are(client: Client) -> None:
    ours, stac = client.get("/openapi.json"), client.get("/stac/api")
    for document, path, name in (
        (ours, "/search", "SearchBody"),
        (ours, "/search/batch", "BatchBody"),
        (stac, "/search", "SearchBody"),
    ):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        schema = content["application/json"]["schema"]["$ref"]
        assert schema == f"#/components/schemas/{name}"
        assert document["components"]["schemas"][name]["properties"]


def test_the_document_says_how_bodies_and_hosts_are_refused(client: Client) -> None:
    paths = client.get("/openapi.json")["paths"]
    asked = {path: asked for path, methods in paths.items() for asked in methods.values()}
    assert "/search/batch" in asked
    for path in asked.keys() - {*OPEN_PATHS, "/metrics"}:
        assert {"408", "413", "421", "503"} <= asked[path]["responses"].keys(), path
