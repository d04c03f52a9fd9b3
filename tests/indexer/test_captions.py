"""Captions files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from indexer.captions import LONGEST_CAPTION, SceneText, read_captions
from indexer.errors import CaptionsError
from scenestore.entry import Metadata

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 0]]
POLYGON = {"type": "Polygon", "coordinates": [SQUARE]}


def jsonl(folder: Path, *lines: Any) -> Path:
    path = folder / "captions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_jsonl_gives_captions_split_and_metadata(tmp_path: Path) -> None:
    line = {
        "image": "./coast/a.png",
        "captions": ["A  harbor .", "boats"],
        "split": "val",
        "datetime": "2024-05-31T12:30:00+02:00",
        "cloud_cover": 12,
        "gsd": 0.3,
        "platform": "Sentinel-2",
        "footprint": POLYGON,
        "properties": {"class": "harbor", "tiles": 3, "ok": True, "note": None},
    }
    text = read_captions(jsonl(tmp_path, line)).of("coast/a.png")
    assert text.captions == ("A harbor .", "boats")
    assert text.split == "val"
    assert text.metadata == Metadata(
        datetime="2024-05-31T10:30:00Z",
        cloud_cover=12.0,
        gsd=0.3,
        platform="Sentinel-2",
        footprint=POLYGON,
        properties={"class": "harbor", "tiles": 3, "ok": True},
    )


def test_a_scene_without_a_line_has_nothing(tmp_path: Path) -> None:
    assert read_captions(jsonl(tmp_path, {"image": "a.png"})).of("b.png") == SceneText()


@pytest.mark.parametrize("name", ["captions.json", "captions.txt"])
@pytest.mark.parametrize("indent", [None, 1])
def test_karpathy_json_is_read_alike(tmp_path: Path, name: str, indent: int | None) -> None:
    if indent and name.endswith("txt"):
        return  # told from JSONL by its first line
    images = [
        {"filename": "a.png", "sentences": [{"raw": "a harbor"}, {"raw": "boats"}], "split": "val"},
        {"filename": "b.png", "filepath": "coast", "sentences": []},
    ]
    path = tmp_path / name
    path.write_text(json.dumps({"dataset": "x", "images": images}, indent=indent))
    scenes = read_captions(path).scenes
    assert scenes["a.png"] == SceneText(("a harbor", "boats"), split="val")
    assert scenes["coast/b.png"] == SceneText()


def test_lines_of_one_image_add_up(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path,
        {"image": "a.png", "captions": ["one"], "gsd": 2},
        {"image": "a.png", "captions": "two", "split": "val"},
    )
    text = read_captions(path).of("a.png")
    assert (text.captions, text.metadata.gsd, text.split) == (("one", "two"), 2.0, "val")


def test_odd_captions_are_left_out_or_cut_and_noted(tmp_path: Path) -> None:
    path = jsonl(
        tmp_path,
        {"image": "a.png", "captions": ["", " \n", "x" * (LONGEST_CAPTION + 1)], "class": "b"},
        {"image": "b.png", "captions": ["half \ud800 a pair\x00"], "class": "b"},
    )
    captions = read_captions(path)
    assert captions.of("a.png").captions == ("x" * LONGEST_CAPTION,)
    assert captions.of("b.png").captions == ("half a pair",)
    assert sorted(note.removeprefix(f"{path}: ") for note in captions.notes) == [
        f"caption cut at {LONGEST_CAPTION} characters (1 times, first at line 1)",
        "empty caption left out (2 times, first at line 1)",
        "unknown key 'class' ignored (2 times, first at line 1)",
    ]


def test_ten_thousand_words_are_kept(tmp_path: Path) -> None:
    words = " ".join(["harbor"] * 10_000)
    captions = read_captions(jsonl(tmp_path, {"image": "a.png", "captions": [words]}))
    assert captions.of("a.png").captions == (words,)


def test_blank_lines_and_a_byte_order_mark_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"image": "a.png"}\r\n\r\n  \n{"image": "b.png"}')
    assert list(read_captions(path).scenes) == ["a.png", "b.png"]


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_bytes(b"")
    assert read_captions(path).scenes == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"image": "a"}\n{"image": ', "line 2: not JSON"),
        (b'{"image": "a"}\n\n[1]', "line 3: not a JSON object"),
        (b'{"image": "a"}\n{"captions": []}', "line 2: image is missing"),
        (b'{"image": 3}', "line 1: image is missing"),
        (b'{"image": "/etc/a.png"}', "line 1: image '/etc/a.png' is not a path relative"),
        (b'{"image": "../a.png"}', "line 1: image '../a.png' is not a path relative"),
        (b'{"image": "a", "captions": {"x": 1}}', "line 1: captions is not a list of strings"),
        (b'{"image": "a", "captions": ["b", 3]}', "line 1: caption 3 is not a string"),
        (b'{"image": "a", "split": 1}', "line 1: split is not a string"),
        (b'{"image": "a"}\n{"image": "caf\xe9"}', "line 2: byte 15 is not UTF-8"),
        (b"\xff\xfe{\x00", "line 1: byte 1 is not UTF-8"),
        (b"[" * 100_000, "line 1: JSON that cannot be read"),
        (b'{"image": "a", "gsd": ' + b"9" * 5_000 + b"}", "line 1: JSON that cannot be read"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_bytes(content)
    with pytest.raises(CaptionsError) as caught:
        read_captions(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", 'no list "images"'),
        ("[", "not JSON"),
        ('{"images": [{"sentences": []}]}', r"images\[0\]: needs a filename"),
        ('{"images": [{"filename": "a", "sentences": ["b"]}]}', r"images\[0\]: needs a filename"),
    ],
)
def test_bad_karpathy_json_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "captions.json"
    path.write_text(content)
    with pytest.raises(CaptionsError, match=message):
        read_captions(path)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"datetime": "yesterday"}, "datetime 'yesterday' is not ISO 8601"),
        ({"datetime": 2024}, "datetime 2024 is not ISO 8601"),
        ({"cloud_cover": 101}, "cloud_cover 101 is not a number from 0 to 100"),
        ({"cloud_cover": True}, "cloud_cover True"),
        ({"gsd": 0}, "gsd 0 is not a number above 0"),
        ({"gsd": float("inf")}, "gsd inf is not a number"),
        ({"platform": ["a"]}, "platform is"),
        ({"footprint": {"type": "Point", "coordinates": [0, 0]}}, "not a GeoJSON Polygon"),
        ({"footprint": {"type": ["Polygon"]}}, "not a GeoJSON Polygon"),
        ({"footprint": {"type": "Polygon"}}, "footprint has no coordinates"),
        ({"footprint": {"type": "MultiPolygon", "coordinates": [[]]}}, "no coordinates"),
        ({"footprint": POLYGON | {"coordinates": [SQUARE[:3]]}}, "fewer than 4 positions"),
        ({"footprint": POLYGON | {"coordinates": [[*SQUARE[:3], [2, 2]]]}}, "does not end where"),
        ({"footprint": POLYGON | {"coordinates": [[[0, 91]] * 4]}}, r"\[0, 91\], not \[longitude"),
        ({"footprint": POLYGON | {"coordinates": [[[500_000, 0]] * 4]}}, "in degrees"),
        ({"footprint": POLYGON | {"coordinates": [[["0", 0]] * 4]}}, "in degrees"),
        ({"properties": [1]}, r"properties \[1\] is not an object"),
        ({"properties": {"a": {"b": 1}}}, "properties: 'a' is {'b': 1}, not a string"),
        ({"properties": {"a": "x" * 5_000}}, "not 1 to 4096 characters"),
        ({"properties": {"": 1}}, "not 1 to 256 characters"),
        ({"properties": {"a": "\ud800"}}, "characters of text"),
        ({"properties": {"a": float("nan")}}, "properties: 'a' is nan, not a string, a number"),
        ({"properties": {"a": float("-inf")}}, "'a' is -inf"),
        ({"properties": {"a": 10**400}}, "'a' is 1000"),
    ],
)
def test_bad_metadata_is_named(tmp_path: Path, metadata: dict[str, Any], message: str) -> None:
    path = jsonl(tmp_path, {"image": "a.png"}, {"image": "b.png", **metadata})
    captions = read_captions(path)
    assert captions.of("a.png").fault is None
    assert re.search(f"line 2: .*{message}", captions.of("b.png").fault or "")


def test_lines_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    for key, values in {"gsd": (1, 2), "split": ("val", "train")}.items():
        path = jsonl(tmp_path, *({"image": "a.png", key: value} for value in values))
        with pytest.raises(CaptionsError, match="line 2: an earlier line gives this image"):
            read_captions(path)


def test_a_time_without_a_zone_is_utc(tmp_path: Path) -> None:
    captions = read_captions(jsonl(tmp_path, {"image": "a.png", "datetime": "2024-05-31"}))
    assert captions.of("a.png").metadata.datetime == "2024-05-31T00:00:00Z"


def test_a_multipolygon_is_a_footprint(tmp_path: Path) -> None:
    shape = {"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}
    captions = read_captions(jsonl(tmp_path, {"image": "a.png", "footprint": shape}))
    assert captions.of("a.png").metadata.footprint == shape


def test_the_digest_tells_captions_and_metadata_apart_but_not_splits() -> None:
    texts = [
        SceneText(),
        SceneText(("a",)),
        SceneText(("a", "b")),
        SceneText(("b", "a")),
        SceneText((), Metadata(gsd=1.0)),
    ]
    assert len({text.digest for text in texts}) == len(texts)
    assert SceneText(("a",), split="val").digest == texts[1].digest


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CaptionsError, match=r"captions\.jsonl cannot be read: No such file"):
        read_captions(tmp_path / "captions.jsonl")
