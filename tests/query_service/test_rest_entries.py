"""`/entries` and `/scenes` as a client meets them."""

from __future__ import annotations

import io
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

from tests.query_service.conftest import Client, serving


@pytest.fixture(scope="session")
def id(client: Client) -> str:
    """Of the chip of red/red3.png."""
    return str(client.get("/scenes/default/red/red3.png")["entries"][0]["id"])


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_an_entry_is_given_as_the_hits_give_it(client: Client, id: str) -> None:
    entry = client.get(f"/entries/{id}")
    assert entry["scene"] == "red/red3.png"
    assert entry["caption"] == "a red field"
    hits = client.post("/search", {"text": "a red field", "k": 24})["hits"]
    hit = next(hit for hit in hits if hit["id"] == id)
    assert entry == {name: value for name, value in hit.items() if name in entry}


def test_a_scene_has_its_outcome_and_all_its_entries(client: Client) -> None:
    scene = client.get("/scenes/default/red/red3.png")
    assert scene["status"] == "indexed"
    assert sorted(entry["kind"] for entry in scene["entries"]) == ["caption", "caption", "chip"]


def test_a_thumbnail_is_a_small_jpeg_that_need_not_be_sent_twice(client: Client, id: str) -> None:
    response = client("GET", f"/entries/{id}/thumbnail")
    assert response.headers["content-type"] == "image/jpeg"
    assert pixels(response.content).shape == (48, 48, 3)
    tag = response.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", W/"one", {tag}', "*"):
        again = client("GET", f"/entries/{id}/thumbnail", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    for unknown in ('"other"', tag[:-2], ""):
        again = client("GET", f"/entries/{id}/thumbnail", headers={"If-None-Match": unknown})
        assert again.content == response.content
    hit = client.get(f"/entries/{id}")
    assert client("GET", hit["thumbnail"]).content == response.content


def test_a_chip_is_the_image_itself_where_it_is_reached(
    client: Client, id: str, images: Path
) -> None:
    response = client("GET", f"/entries/{id}/chip")
    assert "content-location" not in response.headers
    original = np.asarray(Image.open(images / "red/red3.png").convert("RGB"))
    given = pixels(response.content)
    assert given.shape == original.shape
    assert np.abs(given.mean((0, 1)) - original.mean((0, 1))).max() < 2


def test_a_chip_is_the_thumbnail_where_the_image_is_gone(
    indexed_home: Path, model: Path, images: Path, tmp_path: Path, id: str
) -> None:
    copytree(indexed_home, tmp_path / "home")
    with serving(tmp_path / "home", model) as client:
        (images / "red/red3.png").rename(images / "red/elsewhere.png")
        try:
            chip = client("GET", f"/entries/{id}/chip")
        finally:
            (images / "red/elsewhere.png").rename(images / "red/red3.png")
        assert chip.headers["content-location"] == f"/entries/{id}/thumbnail"
        assert chip.content == client("GET", f"/entries/{id}/thumbnail").content


@pytest.mark.parametrize(
    "path",
    [
        "/entries/nobody",
        "/entries/%00",
        "/entries/" + "A" * 43,
        "/entries/" + "A" * 43 + "/thumbnail",
        "/entries/" + "A" * 43 + "/chip",
        "/entries/..%2F..%2Fetc%2Fpasswd/chip",
        "/scenes/default/none.png",
        "/scenes/default/../../../../etc/passwd",
        "/scenes/default/..%2F..%2Fetc%2Fpasswd",
        "/scenes/none/red/red3.png",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    assert client.refused(404, "GET", path)
