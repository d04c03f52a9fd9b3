"""What cannot be asked is refused in a line that says what to do, and harms nothing."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.query_service.conftest import Client

Json = dict[str, Any]


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + name + content + checksum


def huge_png() -> bytes:
    """100 megapixels of black in a few kilobytes."""
    side = 10_000
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    end = chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + end


def small_png() -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 40, 40)).save(packed, "PNG")
    return packed.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
IMAGES = {
    "nothing": b"",
    "a text": b"no image at all",
    "SVG": SVG,
    "HTML after a GIF's first letters": b"GIF89a" + b"<script>alert(1)</script>",
    "PDF and ZIP in one": b"%PDF-1.4\n" + b"PK\x03\x04" + bytes(200),
    "EPS, which would run a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "a PNG cut short": small_png()[:60],
    "a JPEG's first bytes": b"\xff\xd8\xff\xe0" + bytes(30),
    "100 megapixels in some kilobytes": huge_png(),
}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("way", ["upload", "inline"])
def test_images_that_cannot_be_are_refused(client: Client, name: str, way: str) -> None:
    content = IMAGES[name]
    assert len(content) < 20_000
    if way == "upload":
        said = client.refused(400, "POST", "/search", files={"image": ("x.png", content)})
    else:
        body = {"image": base64.b64encode(content).decode()}
        said = client.refused(400, "POST", "/search", json=body)
    assert said.startswith("image: ") or name == "nothing"
    assert "\n" not in said


def test_a_picture_with_a_script_behind_it_is_a_picture(client: Client) -> None:
    content = small_png() + b"<script>alert(1)</script>PK\x03\x04"
    answer = client("POST", "/search", files={"image": ("x.html", content, "text/html")})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "image",
    [
        "http://127.0.0.1:1/x.png",
        "https://example.org/x.png",
        "file:///etc/passwd",
        "data:text/plain,hello",
        "data:image/svg+xml;utf8,<svg/>",
        "s3://bucket/x.png",
    ],
)
def test_an_address_is_never_followed(client: Client, image: str) -> None:
    said = client.refused(400, "POST", "/search", json={"image": image})
    assert said.startswith("image: an address is not followed")


def test_an_image_is_given_once(client: Client) -> None:
    files = {"image": small_png(), "text": (None, "red")}
    assert client("POST", "/search", files=files).status_code == 200
    several = [("image", small_png()), ("image", small_png())]
    assert client.refused(400, "POST", "/search", files=several)
    assert client.refused(400, "POST", "/search", files={"paper": small_png()})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "nothing to look for: no word is in the text; give a text of at"),
        ("  \t\n ", "nothing to look for: no word is in the text"),
        ("-", "nothing to look for: no word is in the text"),
        ("-- \u2013 \u2014", "nothing to look for: no word is in the text"),
        ('-"" -" "', "nothing to look for: no word is in the text"),
        ("a" * 1_000_000, "text: 1,000,000 characters are more than 2,000"),
        ("a\x00b", "NUL"),
        (
            "-ship",
            "nothing to look for: the text only says what to keep away from; give a text of at",
        ),
        ("- -ship", "nothing to look for: the text only says what to keep away from"),
        ('harbour -"large ship', "close the quotes"),
        ("sea " + "-ship " * 17, "17 words to keep away from are more than 16"),
    ],
)
def test_texts_that_cannot_be_are_refused(client: Client, text: str, says: str) -> None:
    assert says in client.refused(400, "POST", "/search", json={"text": text})


@pytest.mark.parametrize("path", ["/search?text=a", "/aggregate?by=term&text=a"])
def test_a_parameter_of_an_address_is_given_once(client: Client, path: str) -> None:
    said = client.refused(400, "GET", f"{path}&like=b&like=c")
    assert said == "'like' is given 2 times; give it once, a list with commas between"


def test_half_a_pair_of_surrogates_is_refused(client: Client) -> None:
    for sent in (
        b'{"text": "\\ud800"}',
        b'{"like": ["\\udfff"]}',
        b'{"text": "a", "filter": "\\ud800 = 1"}',
        b'{"text": "a", "filter": {"op": "\\ud800"}}',
        b'{"\\ud800": 1}',
    ):
        assert client("POST", "/search", content=sent).status_code in (400, 422)


@pytest.mark.parametrize(
    "text", ["\x01\x02\x1b[31mred", "🛰️ 🌍", "森林", "a\u202eb", "'; --", "%s{}"]
)
def test_odd_texts_are_texts(client: Client, text: str) -> None:
    assert client.post("/search", {"text": text, "k": 3})["hits"]
    assert client.get("/search", text=text, k=3)["hits"]


@pytest.mark.parametrize("k", [0, -1, 1_001, 10**9, 10**30, 1.5, "many", None])
def test_k_is_from_1_to_1000(client: Client, k: Any) -> None:
    assert "k: " in client.refused(422, "POST", "/search", json={"text": "a", "k": k})
    if k is not None:
        assert client.refused(422, "GET", "/search", params={"text": "a", "k": k})


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"bbox": [1, 50, 2, 40]}, "upside down"),
        ({"bbox": [1, 2, 3, 4, 5]}, "5 numbers"),
        ({"bbox": [-999, 0, 1, 1]}, "longitude"),
        ({"intersects": {}}, "GeoJSON"),
        ({"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}}, "GeoJSON"),
        ({"intersects": {"type": "Point", "coordinates": ["a", None]}}, "GeoJSON"),
        ({"intersects": {"type": "Point", "coordinates": [999, 0]}}, "GeoJSON"),
        ({"datetime": "yesterday"}, "datetime"),
        ({"datetime": "2024-W01"}, "give 2024"),
        ({"datetime": "../.."}, "open at both ends"),
        ({"datetime": "2024-05-01/2024-04-01"}, "swap them"),
        ({"datetime": "2024/2025/2026"}, "slash"),
        ({"datetime": "9999-12-31T23:59:59-14:00/.."}, "datetime"),
        ({"min_cloud": 60, "max_cloud": 40}, "swap them"),
        ({"filter": ""}, "filter"),
        ({"filter": "cloud_cover <"}, "filter"),
        ({"filter": "cloud_cover < 1e999"}, "filter"),
        ({"filter": "(" * 500 + "a = 1" + ")" * 500}, "filter"),
        ({"filter": "a = 1 AND " * 1_000 + "a = 1"}, "filter"),
        ({"filter": {"op": "=", "args": []}}, "filter"),
        ({"filter": {"op": "no such", "args": [1, 2]}}, "filter"),
        ({"collections": ["nowhere"]}, "there is no collection"),
        ({"recall": "1.5"}, "recall"),
        ({"like": ["nobody"]}, "no entry has the id"),
    ],
)
def test_conditions_that_cannot_be_are_refused(client: Client, conditions: Json, says: str) -> None:
    said = client.refused(400, "POST", "/search", json={"text": "a field", **conditions})
    assert says.lower() in said.lower()


def nested(depth: int) -> Any:
    """A filter of so many denials."""
    node: Any = {"op": "=", "args": [{"property": "a"}, 1]}
    for _ in range(depth):
        node = {"op": "not", "args": [node]}
    return node


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1, 2]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"text": "a", "min_score": NaN}',
        b'{"text": "a", "bbox": [1e999, 0, 1, 1]}',
        b'{"text": "a", "k": 1e999}',
        json.dumps({"text": "a", "filter": nested(300)}).encode(),
        json.dumps({"text": "a", "unknown" * 10_000: 1}).encode(),
    ],
)
def test_bodies_that_are_no_search_are_refused(client: Client, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = client("POST", "/search", content=content, headers=headers)
    assert response.status_code in (400, 422), response.text
    assert len(response.content) < 10_000


def test_other_kinds_of_bodies_are_refused(client: Client) -> None:
    headers = {"Content-Type": "text/xml"}
    assert client.refused(415, "POST", "/search", content=b"<a/>", headers=headers)
    headers = {"Content-Type": "multipart/form-data"}
    assert client.refused(400, "POST", "/search", content=b"no boundary", headers=headers)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    client("POST", "/search", content=b"--x\r\nbroken", headers=headers)
    assert client.refused(400, "POST", "/search", content=b"--x\r\nbroken", headers=headers)


def forged(token: str, **changes: Any) -> str:
    """A token with another head."""
    content = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    head, _, vector = content.partition(b"\n")
    new = json.dumps({**json.loads(head), **changes}).encode() + b"\n" + vector
    return base64.urlsafe_b64encode(new).rstrip(b"=").decode()


def test_tokens_that_are_not_ours_are_refused(client: Client) -> None:
    asked = {"text": "a field", "k": 5}
    token = client.post("/search", asked)["next"]
    for wrong in (
        "x",
        "",
        "é",
        "A" * 5_000,
        token[:-9],
        token + "AAAA",
        forged(token, s="high"),
        forged(token, s=float("inf")),
        forged(token, k=-1),
        forged(token, k=1 << 70),
        forged(token, r=0),
        forged(token, a="sound"),
        forged(token, m=-1),
        forged(token, m="many"),
        forged(token, w=[["one"]]),
        forged(token, w=[["default", "a\0b"]]),
        forged(token, w=[["default", "half a \ud800"]]),
        forged(token, g=None),
        forged(token, g="\x00"),
    ):
        said = client.refused(400, "POST", "/search", json={**asked, "token": wrong})
        assert said.startswith("the token is not one of ours")
    for name in ("../../../etc", "g999", ""):
        wrong = forged(token, g=name)
        said = client.refused(410, "POST", "/search", json={**asked, "token": wrong})
        assert "dropped" in said
    deep = forged(token, r=50_000)
    assert "10,000" in client.refused(400, "POST", "/search", json={**asked, "token": deep})


def test_a_token_goes_with_its_own_search_alone(client: Client) -> None:
    asked = {"text": "a field", "k": 5}
    token = client.post("/search", asked)["next"]
    for other in ({"text": "a red field"}, {**asked, "kind": "caption"}, {**asked, "max_cloud": 5}):
        said = client.refused(400, "POST", "/search", json={**other, "token": token})
        assert said.startswith("the token is of another search")


def test_the_service_goes_on_after_all_that(client: Client, images: Path) -> None:
    assert client.post("/search", {"text": "a red field", "k": 3})["hits"]
