"""The sample archive that `make demo` indexes: whole, small, truthful, and free to ship."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from examples.sample_archive.build import CHIP, Raster, cut, offsets, read_sentences

ROOT = Path(__file__).resolve().parents[1]
ARCHIVE = ROOT / "examples" / "sample_archive"
UCM_TAR = ROOT.parent / "shared" / "data" / "ucm_captions.tar"

# Each raster's bounds in lon/lat: west, south, east, north.
BAHAMAS = (-78.97, 23.55, -76.56, 25.56)
QUEBEC_WEST = (-76.0, 44.93, -72.89, 47.11)
QUEBEC_EAST = (-74.42, 44.92, -71.32, 47.11)
PLACES = {"RGB.byte": BAHAMAS, "mosaic_cog1": QUEBEC_WEST, "mosaic_cog2": QUEBEC_EAST}


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    text = (ARCHIVE / "captions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_image_has_one_line_and_every_line_an_image(lines: list[dict[str, Any]]) -> None:
    images = [path.relative_to(ARCHIVE).as_posix() for path in ARCHIVE.glob("images/*/*/*.jpg")]
    assert sorted(line["image"] for line in lines) == sorted(images)


def test_every_image_opens(lines: list[dict[str, Any]]) -> None:
    sizes = {"eurosat": 64, "ucm": 256, "rasters": CHIP}
    for line in lines:
        with Image.open(ARCHIVE / line["image"]) as image:
            image.load()
        side = sizes[Path(line["image"]).parts[1]]
        assert image.mode == "RGB", line["image"]
        assert all(abs(length - side) <= 15 for length in image.size), line["image"]


def test_it_is_a_small_archive_of_every_class(lines: list[dict[str, Any]]) -> None:
    parts = [Path(line["image"]).parts for line in lines]
    assert 1000 <= sum(part[1] in {"eurosat", "ucm"} for part in parts) <= 2000
    assert len({part[2] for part in parts if part[1] == "eurosat"}) == 10
    assert len({part[2] for part in parts if part[1] == "ucm"}) == 21
    assert {part[2] for part in parts if part[1] == "rasters"} == set(PLACES)
    assert sum(path.stat().st_size for path in ARCHIVE.rglob("*") if path.is_file()) <= 15_000_000


def test_captions_are_varied_plain_sentences(lines: list[dict[str, Any]]) -> None:
    captions = [caption for line in lines for caption in line["captions"]]
    assert len(set(captions)) >= 150
    assert 0.8 <= np.mean([bool(line["captions"]) for line in lines]) < 1
    for caption in captions:
        assert caption.isascii(), caption
        assert caption[0].isupper(), caption
        assert caption.endswith("."), caption
        assert not caption.endswith(" ."), caption
        assert 3 <= len(caption.split()) <= 30, caption


def test_captions_are_the_projects_own(lines: list[dict[str, Any]]) -> None:
    shipped = {
        Path(line["image"]).relative_to("images").with_suffix("").as_posix(): line["captions"]
        for line in lines
        if line["captions"]
    }
    assert shipped == read_sentences(ARCHIVE / "sentences.json")
    own = {_plain(caption) for captions in shipped.values() for caption in captions}
    assert own.isdisjoint(_ucm_sentences())


def _ucm_sentences() -> set[str]:
    """The sentences that may not be shipped; none where the data set is not at hand."""
    if not UCM_TAR.exists():
        return set()
    with tarfile.open(UCM_TAR) as tar:
        file = tar.extractfile("ucm_captions/captions.jsonl")
        assert file is not None
        return {_plain(caption) for line in file for caption in json.loads(line)["captions"]}


def _plain(caption: str) -> str:
    return " ".join(caption.lower().rstrip(" .").split())


def test_properties_tell_source_and_licence(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        properties = line["properties"]
        assert {"source", "licence"} <= set(properties), line["image"]
        assert line["gsd"] > 0
        assert not {"gsd", "platform"} & set(properties)
        assert not any(isinstance(value, dict | list) for value in properties.values())


def test_raster_chips_lie_where_the_raster_is(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        folder, name = Path(line["image"]).parts[1:3]
        assert ("footprint" in line) == (folder == "rasters"), line["image"]
        if folder != "rasters":
            continue
        assert line["footprint"]["type"] == "Polygon"
        ring = np.array(line["footprint"]["coordinates"][0])
        west, south, east, north = PLACES[name]
        assert ring.shape == (5, 2), line["image"]
        assert (ring[0] == ring[-1]).all(), line["image"]
        assert (ring.min(0) >= [west, south]).all(), line["image"]
        assert (ring.max(0) <= [east, north]).all(), line["image"]
        assert _square_km(ring) == pytest.approx((CHIP * 0.3) ** 2, rel=0.01), line["image"]


def _square_km(ring: np.ndarray[Any, Any]) -> float:
    """Area of a small lon/lat ring; positive when it runs counter-clockwise."""
    x = np.radians(ring[:, 0]) * np.cos(np.radians(ring[:, 1].mean())) * 6371
    y = np.radians(ring[:, 1]) * 6371
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def test_chips_cover_a_raster_to_its_last_row_and_column() -> None:
    for size in (CHIP, CHIP + 1, 718, 791):
        starts = offsets(size)
        covered = {pixel for start in starts for pixel in range(start, start + CHIP)}
        assert covered == set(range(size))


def test_nodata_stays_black_and_mostly_empty_chips_are_left_out(tmp_path: Path) -> None:
    bands = np.full((3, CHIP, 2 * CHIP), 3000, np.uint16)
    bands[:, :, :CHIP] = 0  # the left chip is empty
    bands[:, :40, CHIP:] = 0  # the right one in part
    path = tmp_path / "raster.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=2 * CHIP, height=CHIP, count=3, dtype="uint16",
        crs="EPSG:32618", transform=from_origin(500_000, 5_000_000, 300, 300), nodata=0,
    ) as file:  # fmt: skip
        file.write(bands)
    raster = Raster("raster", (1000.0,) * 3, (5000.0,) * 3, {}, {})
    [(name, pixels, outline)] = cut(path, raster)
    assert name == f"x{CHIP}_y0.jpg"
    assert (pixels[:40] == 0).all()
    assert (pixels[40:] == 128).all()
    ring = outline["coordinates"][0]
    assert ring[0][0] == pytest.approx(
        -75 + CHIP * 300 / 111_320 / np.cos(np.radians(45.15)), abs=0.01
    )
    assert max(lat for _, lat in ring) == pytest.approx(45.15, abs=0.01)
