"""The STAC API as clients meet it, over a real socket, on both engines."""

from __future__ import annotations

import json
import math
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pystac
import pytest
from pystac_client import Client
from pystac_client.exceptions import APIError

from query_service.paging import Token
from query_service.spelling import content_of, spelt
from scenesift.home import Home
from scenesift.keys import Keys
from scenesift.serve import create_app
from scenesift.settings import Settings
from tests.query_service.serving import serving
from tests.query_service.stac.conftest import ORIGIN, PLACES, PLAIN

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "stac.md"
NORTH = [10.0, -1.0, 40.0, 1.0]
CLEAR = "eo:cloud_cover <= 50 AND platform = 'sentinel-2a'"
CLEAR_JSON = {
    "op": "and",
    "args": [
        {"op": "<=", "args": [{"property": "eo:cloud_cover"}, 50]},
        {"op": "=", "args": [{"property": "platform"}, "sentinel-2a"]},
    ],
}
EXPECTED = {number for number in range(10, 41) if number % 5 and number % 10 <= 5 and number % 2}
"""Orbits of the scenes that NORTH and CLEAR let through."""


@pytest.fixture
def http(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{service}/stac", timeout=30) as client:
        yield client


def orbits(items: list[pystac.Item]) -> list[int]:
    return [item.properties["orbit"] for item in items]


def refused(response: httpx.Response, status: int = 400) -> str:
    """What a problem of that status says."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["detail"])


def test_a_semantic_search_is_paged_to_its_end_by_pystac_client(service: str) -> None:
    client = Client.open(f"{service}/stac", parameters={"q": "a red field"})
    search = client.search(method="GET", limit=2, bbox=NORTH, filter=CLEAR)
    pages = list(search.pages())
    found = [item for page in pages for item in page]
    assert len(pages) == -(-len(EXPECTED) // 2)
    assert sorted(orbits(found)) == sorted(EXPECTED)
    scores = [item.properties["scenesift:score"] for item in found]
    assert scores == sorted(scores, reverse=True)
    assert search.matched() == len(EXPECTED)
    by_post = httpx.post(
        f"{service}/stac/search",
        json={"q": "a red field", "limit": 100, "bbox": NORTH, "filter": CLEAR_JSON},
    ).json()
    assert [item["id"] for item in by_post["features"]] == [item.id for item in found]
    assert not [link for link in by_post["links"] if link["rel"] == "next"]


def test_words_with_a_minus_are_kept_away_from(http: httpx.Client) -> None:
    plain, minus = (
        http.get("/search", params={"q": text, "limit": PLACES + PLAIN}).json()["features"]
        for text in ("a red field", "a red field -blue")
    )
    assert {item["id"] for item in plain} == {item["id"] for item in minus}
    assert [item["id"] for item in plain] != [item["id"] for item in minus]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_everything_is_listed_once_newest_first(service: str, method: str) -> None:
    search = Client.open(f"{service}/stac").search(method=method, limit=7)
    found = list(search.items())
    assert len({(item.collection_id, item.id) for item in found}) == len(found) == PLACES + PLAIN
    known = [item.datetime for item in found if item.datetime]
    assert known == sorted(known, reverse=True)
    assert [item.datetime is None for item in found] == sorted(
        item.datetime is None for item in found
    )
    assert search.matched() == PLACES + PLAIN


def test_orders_are_kept_over_pages(service: str) -> None:
    search = Client.open(f"{service}/stac").search(
        collections=["places"], sortby=["-properties.eo:cloud_cover", "+orbit"], limit=9
    )
    found = [
        (-item.properties["eo:cloud_cover"], item.properties["orbit"]) for item in search.items()
    ]
    assert len(found) == PLACES
    assert found == sorted(found)


def test_items_collections_and_the_catalog_are_valid(service: str) -> None:
    client = Client.open(f"{service}/stac")
    client.validate()
    collections = {collection.id: collection for collection in client.get_collections()}
    assert sorted(collections) == ["places", "plain"]
    for collection in collections.values():
        collection.validate()
        for item in collection.get_items():
            item.validate()
    known, unknown = collections["places"].extent, collections["plain"].extent
    (west, south, east, north) = known.spatial.bboxes[0]
    assert [west, south, east, north] == pytest.approx([1, 0, 59.5, 0.5], abs=1e-6)
    (interval,) = known.temporal.intervals
    assert [end and end.date().isoformat() for end in interval] == ["2024-01-01", "2024-01-30"]
    assert unknown.spatial.bboxes == [[-180, -90, 180, 90]]
    assert unknown.temporal.intervals == [[None, None]]


def test_an_item_is_found_by_its_link_and_its_id(service: str) -> None:
    client = Client.open(f"{service}/stac")
    (item,) = client.search(filter="orbit = 12").items()
    assert item.id == "red~2Fscene~2012.png"
    assert item.properties["title"] == "Number 12"
    collection = client.get_collection("places")
    assert collection is not None
    again = collection.get_item(item.id)
    assert again is not None
    assert again.to_dict()["properties"] == item.to_dict()["properties"]
    assert [each.id for each in client.search(ids=[item.id, "nothing"]).items()] == [item.id]
    assert [each.id for each in client.search(filter=f"id = '{item.id}'").items()] == [item.id]
    picture = httpx.get(item.assets["thumbnail"].href)
    assert picture.headers["content-type"] == "image/jpeg"


def test_as_many_ids_and_collections_as_may_be_are_asked_for(http: httpx.Client) -> None:
    known = http.get("/search", params={"limit": 5}).json()["features"]
    ids = [item["id"] for item in known] + [f"scene-{number}" for number in range(995)]
    names = ["places", "plain", *(f"c{number}" for number in range(998))]
    for asked in ({}, {"q": "a red field"}):
        found = http.post("/search", json={"ids": ids, "collections": names, **asked}).json()
        assert {item["id"] for item in found["features"]} == set(ids[:5])
        assert found["numberMatched"] == 5


def test_fields_leave_out_the_rest(http: httpx.Client) -> None:
    asked = {"limit": "3", "fields": "properties.orbit,-id", "q": "a red field"}
    for found in (
        http.get("/search", params=asked),
        http.post("/search", json={"fields": {"include": ["properties.orbit"]}, "limit": 3}),
    ):
        for item in found.json()["features"]:
            assert set(item) == {"type", "id", "collection", "properties"}
            assert set(item["properties"]) <= {"orbit"}


def test_queryables_and_sortables_tell_what_can_be_named(http: httpx.Client) -> None:
    landing = http.get("/").json()
    linked = {link["rel"].rpartition("/")[2]: link["href"] for link in landing["links"]}
    for name in ("queryables", "sortables"):
        schema = httpx.get(linked[name])
        assert schema.headers["content-type"] == "application/schema+json"
        assert schema.json()["$id"] == linked[name]
        own = http.get(f"/collections/places/{name}").json()
        assert set(schema.json()["properties"]) <= set(own["properties"])
    queryables = http.get("/collections/places/queryables").json()["properties"]
    assert queryables["orbit"] == {"type": "number"}
    assert queryables["licence"] == {"type": "string"}
    for name in set(queryables) - {"id"}:
        known = http.get("/search", params={"filter": f'"{name}" IS NOT NULL'})
        assert known.json()["numberMatched"] > 0, name
    for name in http.get("/collections/places/sortables").json()["properties"]:
        assert http.get("/search", params={"sortby": f"-{name}"}).status_code == 200, name


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"bbox": "8,47,9,48", "intersects": '{"type":"Point","coordinates":[8,47]}'}, "one of"),
        ({"bbox": "8,48,9,47"}, "upside down"),
        ({"datetime": "yesterday"}, "give 2024"),
        ({"limit": "0"}, "at least 1"),
        ({"limit": "many"}, "limit"),
        ({"filter": "gsd <"}, "no CQL2"),
        ({"q": "red", "sortby": "gsd"}, "leave out sortby"),
        ({"sortby": "a,b,c,d,e,f"}, "sort"),
        ({"q": '" "'}, "no word is in the text"),
        ({"q": "-red"}, "only says what to keep away from"),
        ({"q": "a\0b"}, "no text"),
        ({"token": "x"}, "one of ours"),
        ({"token": "W10"}, "one of ours"),
        ({"q": "red", "token": "x" * 9_000}, "one of ours"),
    ],
)
def test_bad_questions_are_told_what_is_wrong(
    http: httpx.Client, asked: dict[str, str], said: str
) -> None:
    assert said in refused(http.get("/search", params=asked))


@pytest.mark.parametrize("odd", ["a\0b", "*", "a'b\"c", "\U0001f6f0", "a.b[0]", "x" * 30_000, " "])
def test_odd_names_are_names_or_refused(http: httpx.Client, odd: str) -> None:
    """Never a fault: an engine takes them for names, or we say what is wrong with them."""
    for asked in (
        {"sortby": [{"field": odd}]},
        {"collections": [odd]},
        {"ids": [odd]},
        {"fields": {"include": [odd, f"properties.{odd}"]}},
        {"filter": {"op": "=", "args": [{"property": odd}, odd]}},
        {"q": odd},
        {"datetime": odd},
        {"token": odd},
    ):
        answer = http.post("/search", json={**asked, "limit": 1})
        assert answer.status_code in {200, 400}, (asked, answer.text)
    quoted = quote(odd[:5_000], safe="")
    for path in (f"/collections/{quoted}", f"/collections/places/items/{quoted}"):
        assert http.get(path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"bbox": [8, 47, 9, 48], "intersects": {"type": "Point", "coordinates": [8, 47]}},
        {"bbox": [8, 48, 9, 47]},
        {"bbox": "8,47,9,48"},
        {"intersects": {"type": "Point"}},
        {"datetime": 5},
        {"limit": 0},
        {"limit": None, "datetime": "x"},
        {"filter": {"op": "nonsense", "args": []}},
        {"filter": {"op": "<", "args": [{"property": "gsd"}, 1e400]}},
        {"sortby": [{"field": "gsd", "direction": "up"}]},
        {"q": ["\ud800"]},
        {"ids": ["\ud800"]},
        {"fields": {"include": ["\ud800"]}},
        {"sortby": [{"field": "\ud800"}]},
        {"filter": {"op": "=", "args": [{"property": "gsd"}, 1], "more": math.nan}},
        {"q": "x", "token": "\ud800"},
        [],
    ],
)
def test_bad_bodies_are_told_what_is_wrong(http: httpx.Client, body: Any) -> None:
    headers = {"content-type": "application/json"}
    assert refused(http.post("/search", content=json.dumps(body), headers=headers))


def test_a_token_goes_on_with_its_own_search_only(http: httpx.Client) -> None:
    for asked in ({"q": "a red field"}, {}):
        first = http.get("/search", params={**asked, "limit": 2}).json()
        (more,) = [link for link in first["links"] if link["rel"] == "next"]
        token = dict(parse_qsl(urlsplit(more["href"]).query))["token"]
        other = {**asked, "collections": "places", "token": token}
        assert "of another search" in refused(http.get("/search", params=other))
        more_at_once = http.get("/search", params={**asked, "limit": 9, "token": token}).json()
        ids = {item["id"] for item in [*first["features"], *more_at_once["features"]]}
        assert len(ids) == 11


def test_scenes_are_counted_with_the_first_page_alone(http: httpx.Client) -> None:
    for asked in ({"limit": "2"}, {"limit": "2", "q": "a red field"}):
        first = http.get("/search", params=asked).json()
        (more,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
        query = dict(parse_qsl(urlsplit(more).query))
        with_other_count = _counted_as(query["token"], 7, "q" in asked)
        second = http.get("/search", params={**query, "token": with_other_count}).json()
        assert (first["numberMatched"], second["numberMatched"]) == (PLACES + PLAIN, 7)
        assert not {item["id"] for item in first["features"]} & {
            item["id"] for item in second["features"]
        }
        broken = _counted_as(query["token"], "many", "q" in asked)
        assert "one of ours" in refused(http.get("/search", params={**query, "token": broken}))


def _counted_as(token: str, count: Any, ranked: bool) -> str:
    """The token with another number of scenes: what a page says is taken from there."""
    content = content_of(token)
    if ranked:
        head, _, vector = content.partition(b"\n")
        return spelt(json.dumps({**json.loads(head), "m": count}).encode() + b"\n" + vector)
    digest, _, *position = json.loads(content)
    return spelt(json.dumps([digest, count, *position]).encode())


def test_pages_may_come_from_any_process(service: str, twin: str) -> None:
    for asked in ({"q": "a red field"}, {"sortby": "+eo:cloud_cover"}, {}):
        seen: list[str] = []
        url, hosts = str(httpx.URL(f"{service}/stac/search", params={**asked, "limit": "6"})), 0
        while url:
            page = httpx.get(url, timeout=30).json()
            seen += [item["id"] for item in page["features"]]
            url = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
            hosts += 1
            url = url.replace(service, twin) if hosts % 2 else url.replace(twin, service)
        assert hosts == 11
        assert len(seen) == PLACES + PLAIN
        assert seen == [
            item["id"]
            for item in httpx.get(
                f"{service}/stac/search", params={**asked, "limit": "100"}, timeout=30
            ).json()["features"]
        ]


def test_a_search_whose_generation_was_dropped_is_gone(http: httpx.Client) -> None:
    asked = {"q": "a red field", "limit": "2"}
    (more,) = [
        link for link in http.get("/search", params=asked).json()["links"] if link["rel"] == "next"
    ]
    token = Token.parse(dict(parse_qsl(urlsplit(more["href"]).query))["token"])
    dropped = replace(token, generation="dropped").spell()
    assert "dropped" in refused(http.get("/search", params={**asked, "token": dropped}), 410)


def test_what_is_not_there_is_not_found(http: httpx.Client) -> None:
    for path in (
        "/collections/nowhere",
        "/collections/nowhere/items",
        "/collections/nowhere/queryables",
        "/collections/nowhere/sortables",
        "/collections/places/items/nothing",
        "/collections/places/items/%2E%2E",
        "/nowhere",
    ):
        refused(http.get(path), 404)
    assert http.get("/search", params={"collections": "nowhere"}).json()["features"] == []


def test_the_document_of_the_api_is_served_and_names_its_paths(http: httpx.Client) -> None:
    landing = http.get("/").json()
    (link,) = [link for link in landing["links"] if link["rel"] == "service-desc"]
    document = httpx.get(link["href"])
    assert document.headers["content-type"] == link["type"]
    assert {"/", "/search", "/collections/{collection_id}/items"} <= set(document.json()["paths"])
    assert document.json()["servers"] == [{"url": "/stac"}]
    responses = document.json()["paths"]["/search"]["get"]["responses"]
    assert set(responses) == {"200", "default"}
    assert "application/problem+json" in responses["default"]["content"]


def test_pages_of_other_origins_may_search_where_they_are_let(http: httpx.Client) -> None:
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    preflight = http.options("/search", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == ORIGIN
    found = http.post("/search", json={"limit": 1}, headers={"origin": ORIGIN})
    assert found.headers["access-control-allow-origin"] == ORIGIN
    stranger = http.options("/search", headers={**asked, "origin": "https://other.example.org"})
    assert "access-control-allow-origin" not in stranger.headers


def test_head_says_what_get_would(service: str) -> None:
    with httpx.Client(timeout=30) as http:
        (item,) = http.get(f"{service}/stac/search?limit=1&ids=red~2Fscene~2012.png").json()[
            "features"
        ]
        for url, status in (
            (f"{service}/stac", 200),
            (f"{service}/stac/collections", 200),
            (f"{service}/stac/search?limit=2", 200),
            (item["links"][0]["href"], 200),
            (item["assets"]["thumbnail"]["href"], 200),
            (f"{service}/stac/collections/nowhere", 404),
        ):
            head, get = http.head(url), http.get(url)
            assert (head.status_code, get.status_code, head.content) == (status, status, b"")
            own = {"date", "x-request-id", "content-length"}
            assert {n: v for n, v in head.headers.items() if n not in own} == {
                n: v for n, v in get.headers.items() if n not in own
            }
            if status == 200:
                assert head.headers["content-length"] == str(len(get.content))
        assert http.head(f"{service}/search/batch").status_code == 405


def test_a_key_goes_with_every_request_of_pystac_client(settings: Settings) -> None:
    key = Keys(Home(settings.home)).create(f"stac-{secrets.token_hex(4)}")
    locked = settings.model_copy(update={"serve_keys": "required"})
    with serving(create_app(locked)) as (host, port):
        url = f"http://{host}:{port}/stac"
        with pytest.raises(APIError, match="scenesift key create"):
            Client.open(url)
        client = Client.open(url, headers={"Authorization": f"Bearer {key}"})
        assert len(list(client.search(limit=30).items())) == PLACES + PLAIN


def test_collections_come_page_by_page(service: str, http: httpx.Client) -> None:
    client = Client.open(f"{service}/stac")
    first = http.get("/collections", params={"limit": 1}).json()
    assert [each["id"] for each in first["collections"]] == ["places"]
    assert (first["numberMatched"], first["numberReturned"]) == (2, 1)
    whole = http.get("/collections").json()
    assert not [link for link in whole["links"] if link["rel"] == "next"]
    pages = list(client.collection_search(limit=1).pages_as_dicts())
    seen = [each for page in pages for each in page["collections"]]
    assert (len(pages), seen) == (2, whole["collections"])
    assert first["collections"] == seen[:1]
    (more,) = [link["href"] for link in first["links"] if link["rel"] == "next"]
    assert "of another search" in refused(httpx.get(f"{more}&bbox=0,0,1,1"))
    for token in ("x", "W10"):
        assert "one of ours" in refused(http.get("/collections", params={"token": token}))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"bbox": [10, 0, 20, 1]}, ["places", "plain"]),
        ({"bbox": [59.6, 0, 70, 1]}, ["plain"]),
        ({"bbox": [170, -1, 2, 1]}, ["places", "plain"]),
        ({"datetime": "2024-01-30/.."}, ["places", "plain"]),
        ({"datetime": "2024-01-31/.."}, ["plain"]),
        ({"datetime": "../2023"}, ["plain"]),
        ({"bbox": [10, 0, 20, 1], "datetime": "2024-01-05"}, ["places", "plain"]),
    ],
)
def test_collections_are_found_by_place_and_time(
    service: str, asked: dict[str, Any], found: list[str]
) -> None:
    """One of which nothing is known, as of `plain`, may lie anywhere."""
    search = Client.open(f"{service}/stac").collection_search(limit=1, **asked)
    assert [each.id for each in search.collections()] == found
    assert search.matched() == len(found)


@pytest.mark.parametrize("settings", ["embedded"], indirect=True)
def test_a_client_opens_scenes_where_the_operator_says_they_are(
    settings: Settings, places: Path
) -> None:
    folder = partial(SimpleHTTPRequestHandler, directory=str(places))
    with ThreadingHTTPServer(("127.0.0.1", 0), folder) as files:
        threading.Thread(target=files.serve_forever, daemon=True).start()
        address = f"places=http://127.0.0.1:{files.server_port}"
        told = settings.model_copy(update={"serve_sources": (address,)})
        with serving(create_app(told)) as (host, port):
            client = Client.open(f"http://{host}:{port}/stac")
            (item,) = client.search(filter="orbit = 12").items()
            (plain, *_) = client.search(collections=["plain"]).items()
        asset = item.assets["data"]
        assert asset.media_type == "image/png"
        # a process of its own: GDAL, while it reads, lets no thread of this one answer
        opened = "import rasterio, sys; print(rasterio.open(sys.argv[1]).read().sum())"
        sums = [
            subprocess.run(
                [sys.executable, "-c", opened, where],
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            ).stdout
            for where in (asset.href, str(places / "red" / "scene 12.png"))
        ]
        assert sums[0] == sums[1] != ""
        files.shutdown()
    assert "data" not in plain.assets
    assert str(places) not in json.dumps(item.to_dict())


def test_the_items_of_a_collection_are_searched_like_all(http: httpx.Client) -> None:
    asked = {"q": "a red field", "limit": "20", "filter": "orbit < 30", "fields": "id"}
    page = http.get("/collections/places/items", params=asked).json()
    seen = page["features"]
    while more := [link["href"] for link in page["links"] if link["rel"] == "next"]:
        page = http.get(more[0]).json()
        seen += page["features"]
    everywhere = http.get("/search", params={**asked, "limit": "100"}).json()["features"]
    assert [item["id"] for item in seen] == [item["id"] for item in everywhere]
    assert len(seen) == 30
    assert all(set(item) == {"type", "id", "collection"} for item in seen)


def test_the_example_of_the_documentation_runs(
    service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(), re.DOTALL)
    assert "http://127.0.0.1:8000/stac" in example
    exec(example.replace("http://127.0.0.1:8000", service), {})
    lines = capsys.readouterr().out.splitlines()
    clear = [number for number in range(8, 41) if number % 5 and number % 10 <= 5 and number % 2]
    assert len(lines) == len(clear)


def test_the_landing_page_needs_no_slash(service: str) -> None:
    pages = [httpx.get(f"{service}/stac{slash}") for slash in ("", "/")]
    assert [page.status_code for page in pages] == [200, 200]  # not every client goes elsewhere
    assert pages[0].json() == pages[1].json()


def test_qgis_finds_its_way(service: str) -> None:
    """The requests of QGIS 3.42, as src/gui/stac/qgsstacsourceselect.cpp makes them: all by GET."""
    with httpx.Client(timeout=30, headers={"accept": "*/*"}) as qgis:
        landing = qgis.get(f"{service}/stac").json()
        assert landing["type"] == "Catalog"
        assert landing["stac_version"] == "1.1.0"
        assert any(each.endswith("/core") for each in landing["conformsTo"])
        hrefs = [link["href"] for link in landing["links"]]
        (collections_url,) = {href for href in hrefs if href.endswith("/collections")}
        search_url = [link["href"] for link in landing["links"] if link["rel"] == "search"][-1]
        collections = qgis.get(collections_url).json()
        assert collections["numberMatched"] == len(collections["collections"]) == 2
        names = [collection["id"] for collection in collections["collections"]]
        seen, pages = [], 0
        url: Any = httpx.URL(
            search_url,
            params={
                "collections": ",".join(names),
                "bbox": "10,-1,40,1",
                "datetime": "2024-01-01T00:00:00.000/2024-01-20T23:59:59.000",
            },
        )
        while url:
            page = qgis.get(url).json()
            seen += [item["id"] for item in page["features"]]
            pages += 1
            for item in page["features"]:
                assert (item["geometry"] is None) == ("bbox" not in item)
            url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
        assert len(seen) == len(set(seen)) == page["numberMatched"] > 20
        assert pages == -(-len(seen) // 10)
        # the browser panel goes by the items of a collection, and looks at each by its own link
        for collection in collections["collections"]:
            (items_url,) = [link["href"] for link in collection["links"] if link["rel"] == "items"]
            items = qgis.get(items_url).json()
            (own,) = [link for link in items["features"][0]["links"] if link["rel"] == "self"]
            assert qgis.get(own["href"]).json() == items["features"][0]
