"""Scenes as items: what is known of them, in the form that STAC's own schemas ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pystac.validation import validate_dict

from indexer.metadata import parse_metadata
from query_service.stac.assets import Sources
from query_service.stac.collections import collection
from query_service.stac.fields import Fields
from query_service.stac.ids import item_id, scene_of
from query_service.stac.items import Found, item
from query_service.stac.links import MOST_CHILDREN, Links
from scenestore.entry import Entry, Identity, Metadata
from scenestore.extent import Extent
from scenestore.filters import Box
from tests.query_service.stac.schemas import offline

SAMPLE = Path(__file__).parents[3] / "examples" / "sample_archive"
LINKS = Links("http://service")
FIJI = [[177.0, -19.0], [-178.0, -19.0], [-178.0, -16.0], [177.0, -16.0], [177.0, -19.0]]
SQUARE = [[8.0, 47.0], [9.0, 47.0], [9.0, 48.0], [8.0, 48.0], [8.0, 47.0]]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch)


def made(scene: str = "a/b.tif", source: str = "a/b.tif", **known: Any) -> dict[str, Any]:
    """The item of a scene, valid by STAC's schemas."""
    entry = Entry(Identity("chip", "c", scene), source, None, ("harbour",), 0, Metadata(**known))
    found = item(entry, LINKS)
    validate_dict(found)
    pystac.Item.from_dict(found)
    return found


def test_an_item_says_what_is_known_of_its_scene() -> None:
    found = made(
        datetime="2024-05-31T12:30:00+02:00",
        cloud_cover=12.5,
        gsd=10.0,
        platform="sentinel-2a",
        footprint={"type": "Polygon", "coordinates": [SQUARE]},
        properties={"orbit": 51, "night": False, "licence": "CC0"},
    )
    assert (found["id"], found["collection"]) == ("a~2Fb.tif", "c")
    assert found["bbox"] == [8, 47, 9, 48]
    assert found["geometry"] == {"type": "Polygon", "coordinates": [SQUARE]}
    assert found["properties"] == {
        "title": "a/b.tif",
        "datetime": "2024-05-31T10:30:00Z",
        "eo:cloud_cover": 12.5,
        "gsd": 10.0,
        "platform": "sentinel-2a",
        "orbit": 51,
        "night": False,
        "licence": "CC0",
        "scenesift:source": "a/b.tif",
        "scenesift:terms": ["harbour"],
    }
    entry = Identity("chip", "c", "a/b.tif").id
    assert found["assets"]["thumbnail"]["href"] == f"http://service/entries/{entry}/thumbnail"
    assert {link["rel"]: link["href"] for link in found["links"]} == {
        "self": "http://service/stac/collections/c/items/a~2Fb.tif",
        "root": "http://service/stac/",
        "parent": "http://service/stac/collections/c",
        "collection": "http://service/stac/collections/c",
    }


def test_an_item_of_which_nothing_is_known_says_so() -> None:
    found = made()
    assert found["geometry"] is None
    assert "bbox" not in found
    properties = found["properties"]
    assert properties["datetime"] is None
    assert properties["scenesift:undated"] is True
    assert properties["start_datetime"] < "1826"  # the first photograph
    assert properties["end_datetime"] > "2026"
    assert not {"eo:cloud_cover", "gsd", "platform"} & set(properties)
    assert found["stac_extensions"] == []


def test_a_range_among_the_properties_is_the_time_of_a_scene() -> None:
    span = {"start_datetime": "2024-05-01", "end_datetime": "2024-05-31T00:00:00+01:00"}
    properties = made(properties=span)["properties"]
    assert properties["datetime"] is None
    assert properties["start_datetime"] == "2024-05-01T00:00:00Z"
    assert properties["end_datetime"] == "2024-05-30T23:00:00Z"
    assert "scenesift:undated" not in properties
    half = made(datetime="2024-05-01T00:00:00Z", properties={"start_datetime": "2024-05-01"})
    assert half["properties"]["scenesift:start_datetime"] == "2024-05-01"


@pytest.mark.parametrize("name", ["title", "created", "instruments", "license", "bands", "eo:x"])
@pytest.mark.parametrize("value", [5, "some words", True])
def test_no_property_makes_an_item_invalid(name: str, value: Any) -> None:
    properties = made(properties={name: value}, cloud_cover=1.0)["properties"]
    assert value in (properties.get(name), properties.get(f"scenesift:{name}"))


def test_what_crosses_longitude_180_is_cut_there() -> None:
    found = made(footprint={"type": "Polygon", "coordinates": [FIJI]})
    assert found["bbox"] == [177, -19, -178, -16]
    assert found["geometry"]["type"] == "MultiPolygon"
    longitudes = sorted({lon for part in found["geometry"]["coordinates"] for lon, _ in part[0]})
    assert longitudes == [-180, -178, 177, 180]
    east = [[177.0, 0.0], [180.0, 0.0], [180.0, 1.0], [177.0, 0.0]]
    west = [[-180.0, 0.0], [-178.0, 0.0], [-180.0, 1.0], [-180.0, 0.0]]
    parts = {"type": "MultiPolygon", "coordinates": [[east], [west]]}
    found = made(footprint=parts)
    assert found["bbox"] == [177, 0, -178, 1]
    assert found["geometry"] == parts


def test_a_source_with_an_address_is_an_asset() -> None:
    assert "data" not in made(source="a/b.tif")["assets"]  # nobody could resolve it
    asset = made(source="s3://bucket/a/b.tif")["assets"]["data"]
    assert asset == {"href": "s3://bucket/a/b.tif", "type": "image/tiff", "roles": ["data"]}


@pytest.mark.parametrize(
    ("source", "href"),
    [
        ("a/b 1.tif", "https://files.example.org/x/a/b%201.tif"),
        ("a#1.tif", "https://files.example.org/x/a%231.tif"),
        ("s3://bucket/b.tif", "s3://bucket/b.tif"),
        ("/srv/a/b.tif", None),
        ("../b.tif", None),
        ("a/../../b.tif", None),
        ("C:\\a\\b.tif", None),
        ("", None),
    ],
)
def test_a_source_below_an_address_is_an_asset_and_no_path_of_ours_is(
    source: str, href: str | None
) -> None:
    base = {"": "https://files.example.org/x", "other": "s3://other/"}
    entry = Entry(Identity("chip", "c", "s"), source)
    for address in (base, {**base, "": "https://files.example.org/x/"}):
        assets = item(entry, Links("http://service", Sources(address)))["assets"]
        assert assets.get("data", {}).get("href") == href
        assert href is None or assets["data"]["type"] == "image/tiff"


def test_a_collection_has_an_address_of_its_own_and_tiffs_may_be_optimised() -> None:
    sources = Sources({"other": "s3://other/"}, cogs=True)
    assert sources.asset("c", "a.tif") is None
    asset = sources.asset("other", "a/b 1.tif")
    assert asset is not None
    assert asset["href"] == "s3://other/a/b 1.tif"  # as keys in a bucket are written
    assert asset["type"] == pystac.MediaType.COG
    picture = sources.asset("other", "b.png")
    assert picture == {"href": "s3://other/b.png", "type": "image/png", "roles": ["data"]}


def test_what_was_found_says_why() -> None:
    entry = Entry(Identity("chip", "c", "s"), "s.jpg")
    properties = item(entry, LINKS, Found(0.25, 99.5))["properties"]
    assert properties["scenesift:score"] == 0.25
    assert properties["scenesift:percentile"] == 99.5


def test_collections_say_what_their_scenes_cover() -> None:
    found = collection("c", Extent(Box(177, -19, -178, -16), 0, 86_400_000), LINKS)
    validate_dict(found)
    assert found["extent"]["spatial"]["bbox"] == [[177, -19, -178, -16]]
    interval = [["1970-01-01T00:00:00.000Z", "1970-01-02T00:00:00.000Z"]]
    assert found["extent"]["temporal"]["interval"] == interval
    unknown = collection("c", Extent(), LINKS)
    validate_dict(unknown)
    assert pystac.Collection.from_dict(unknown).extent.temporal.intervals == [[None, None]]
    assert unknown["extent"]["temporal"]["interval"] == [[None, None]]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_ids_are_safe_in_urls_and_lists_and_say_their_scene(scene: str) -> None:
    id = item_id(scene)
    assert scene_of(id) == scene
    assert set(id) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-~")
    assert id not in (".", "..")


@pytest.mark.parametrize("id", ["a/b", "a~2fb", "~41", "~FF", "~", "a~2", "..", "é", ""])
def test_ids_of_nothing_are_told(id: str) -> None:
    assert scene_of(id) is None


ITEM = {
    "type": "Feature",
    "id": "i",
    "collection": "c",
    "geometry": None,
    "properties": {"gsd": 10, "sun.angle": 3, "deep": {"a": 1, "b": 2}},
    "assets": {"thumbnail": {"href": "x", "type": "image/jpeg"}},
}


@pytest.mark.parametrize(
    ("fields", "members"),
    [
        ("", set(ITEM)),
        ("geometry", {"type", "id", "collection", "geometry"}),
        (" geometry,-geometry", {"type", "id", "collection", "geometry"}),
        ("properties.gsd,-properties", {"type", "id", "collection", "properties"}),
        ("-id,-assets", set(ITEM) - {"assets"}),
        ("nothing,properties.nothing", {"type", "id", "collection", "properties"}),
    ],
)
def test_fields_pick_members(fields: str, members: set[str]) -> None:
    assert set(Fields.parse(fields).of(ITEM)) == members


def test_fields_pick_members_of_members() -> None:
    before = repr(ITEM)
    picked = Fields.parse("properties.sun.angle,properties.deep.a,assets,-assets.thumbnail.href")
    kept = picked.of(ITEM)
    assert kept["properties"] == {"sun.angle": 3, "deep": {"a": 1}}
    assert kept["assets"] == {"thumbnail": {"type": "image/jpeg"}}
    assert repr(ITEM) == before


def test_every_scene_of_the_sample_archive_is_a_valid_item() -> None:
    lines = (SAMPLE / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    ids = set()
    for line in map(json.loads, lines):
        metadata = parse_metadata(line)
        entry = Entry(Identity("chip", "sample", line["image"]), line["image"], metadata=metadata)
        found = item(entry, LINKS)
        validate_dict(found)
        ids.add(found["id"])
    assert len(ids) == len(lines) > 1_000


def test_a_landing_page_links_to_a_few_collections_or_to_none() -> None:
    for count, linked in ((MOST_CHILDREN, MOST_CHILDREN), (MOST_CHILDREN + 1, 0)):
        links = LINKS.landing([f"c{number}" for number in range(count)])
        assert len([link for link in links if link["rel"] == "child"]) == linked
