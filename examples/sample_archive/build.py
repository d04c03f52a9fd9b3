"""Make the sample archive again: copy the chosen images, cut the rasters, write captions.jsonl.

    python examples/sample_archive/build.py --data DIR

DIR holds `eurosat_rgb/`, `ucm_captions/` and `rasters/`. The choice of images is fixed, and the
sentences come from sentences.json. Needs rasterio, which is among the development dependencies.
"""

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import xy
from rasterio.warp import transform

HERE = Path(__file__).resolve().parent
CHIP = 128  # side of a raster chip, pixels
LEAST = 0.5  # a chip is kept where at least this share of its pixels is data

Properties = dict[str, Any]
Sentences = dict[str, list[str]]  # an image's place under images/, without suffix -> captions


class BuildError(Exception):
    """The data folder or sentences.json is not what the build needs; the message is one line."""


@dataclass(frozen=True)
class Dataset:
    """A published set of images in one folder a class, of which some are copied as they are."""

    name: str
    folder: str  # below the data folder
    per_class: int
    known: Properties
    properties: Properties


@dataclass(frozen=True)
class Raster:
    """A georeferenced raster, cut into chips with one linear stretch `low..high` a band."""

    name: str
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    known: Properties
    properties: Properties


DATASETS = (
    Dataset(
        "eurosat",
        "eurosat_rgb",
        100,
        {"platform": "Sentinel-2", "gsd": 10.0},
        {"source": "EuroSAT", "licence": "MIT"},
    ),
    Dataset(
        "ucm",
        "ucm_captions/images",
        25,
        {"platform": "aerial", "gsd": 0.3},
        {"source": "UC Merced Land Use", "licence": "public domain"},
    ),
)

# From below the 1st percentile of both mosaics to about the 98th of the brighter one.
MOSAIC_LOW, MOSAIC_HIGH = (6000.0, 6700.0, 8000.0), (14000.0, 13500.0, 14000.0)
MOSAIC = {"source": "rio-tiler fixtures", "licence": "BSD-3-Clause"}
RASTERS = (
    Raster(
        "RGB.byte",
        (0.0, 0.0, 0.0),
        (255.0, 255.0, 255.0),
        {"platform": "Landsat", "gsd": 300.0},
        {"source": "rasterio test data", "licence": "BSD-3-Clause"},
    ),
    Raster("mosaic_cog1", MOSAIC_LOW, MOSAIC_HIGH, {"gsd": 300.0}, MOSAIC),
    Raster("mosaic_cog2", MOSAIC_LOW, MOSAIC_HIGH, {"gsd": 300.0}, MOSAIC),
)


def build(data: Path, archive: Path) -> int:
    """Write `images/` and `captions.jsonl` into `archive`; return the number of images."""
    for name in ("eurosat_rgb", "ucm_captions", "rasters"):
        if not (data / name).is_dir():
            raise BuildError(f"{data}: no folder {name}; extract the data sets there")
    sentences = read_sentences(HERE / "sentences.json")
    shutil.rmtree(archive / "images", ignore_errors=True)
    lines = []
    for place, details in write_images(data, archive / "images"):
        captions = sentences.pop(str(place.with_suffix("")), [])
        lines.append({"image": f"images/{place}", "captions": captions, **details})
    if sentences:
        raise BuildError(f"sentences.json: {next(iter(sentences))} is not among the images")
    with (archive / "captions.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return len(lines)


def read_sentences(path: Path) -> Sentences:
    """Turn the file's folder -> sentence -> images round into image -> sentences."""
    sentences: Sentences = {}
    for folder, images_of in json.loads(path.read_text(encoding="utf-8")).items():
        for sentence, images in images_of.items():
            for image in images:
                sentences.setdefault(f"{folder}/{image}", []).append(sentence)
    return sentences


def write_images(data: Path, images: Path) -> Iterator[tuple[Path, Properties]]:
    """Write every image below `images`; yield its place there and what is known about it."""
    splits = read_splits(data / "ucm_captions" / "captions.jsonl")
    for dataset in DATASETS:
        for source in choose(data / dataset.folder, dataset.per_class):
            place = Path(dataset.name, source.parent.name, source.name)
            (images / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, images / place)
            properties = {"class": source.parent.name, **dataset.properties}
            if dataset.name == "ucm":
                properties["split"] = splits[source.name]
            yield place, {**dataset.known, "properties": properties}
    for raster in RASTERS:
        folder = Path("rasters", raster.name)
        (images / folder).mkdir(parents=True)
        for name, pixels, footprint in cut(data / "rasters" / f"{raster.name}.tif", raster):
            Image.fromarray(pixels).save(images / folder / name, quality=90, subsampling=0)
            properties = {"raster": raster.name, **raster.properties}
            yield folder / name, {**raster.known, "footprint": footprint, "properties": properties}


def read_splits(path: Path) -> dict[str, str]:
    """Which split, train or val, each UC Merced image belongs to, by file name."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {Path(line["image"]).name: line["split"] for line in lines}


def choose(folder: Path, per_class: int) -> Iterator[Path]:
    """Pick images from each class folder by the digest of their names: a fixed, even choice."""
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        images = sorted(class_folder.glob("*.jpg"), key=_digest)
        yield from sorted(images[:per_class])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.name.encode()).hexdigest()


def cut(path: Path, raster: Raster) -> Iterator[tuple[str, NDArray[np.uint8], Properties]]:
    """Yield name, pixels uint8 [128, 128, 3] and footprint of each chip that is mostly data."""
    with rasterio.open(path) as source:
        bands, valid = source.read(), source.dataset_mask() > 0
        for y in offsets(source.height):
            for x in offsets(source.width):
                window = slice(y, y + CHIP), slice(x, x + CHIP)
                if valid[window].mean() < LEAST:
                    continue
                pixels = stretch(bands[:, *window], raster)
                pixels[~valid[window]] = 0
                yield f"x{x}_y{y}.jpg", pixels, footprint(source, x, y)


def offsets(size: int) -> list[int]:
    """Where chips begin along a side: evenly spread, from the first pixel to the last."""
    count = -(-size // CHIP)
    return [round(i * (size - CHIP) / max(count - 1, 1)) for i in range(count)]


def stretch(bands: NDArray[Any], raster: Raster) -> NDArray[np.uint8]:
    """Map each band's low..high linearly to 0..255: [3, h, w] -> uint8 [h, w, 3]."""
    low, high = np.array(raster.low), np.array(raster.high)
    scaled = (bands.transpose(1, 2, 0) - low) / (high - low)
    pixels: NDArray[np.uint8] = np.rint(scaled.clip(0, 1) * 255).astype(np.uint8)
    return pixels


def footprint(source: Any, x: int, y: int) -> Properties:
    """Give the chip's outline as a GeoJSON Polygon in lon/lat, counter-clockwise."""
    columns, rows = [x, x, x + CHIP, x + CHIP, x], [y, y + CHIP, y + CHIP, y, y]
    eastings, northings = xy(source.transform, rows, columns, offset="ul")
    lons, lats = transform(source.crs, "EPSG:4326", eastings, northings)
    ring = [[round(lon, 5), round(lat, 5)] for lon, lat in zip(lons, lats, strict=True)]
    return {"type": "Polygon", "coordinates": [ring]}


def main() -> None:
    """Build the archive beside this script."""
    parser = argparse.ArgumentParser(description="Make the sample archive again.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the extracted data")
    parser.add_argument("--archive", type=Path, default=HERE, help="where to write (default: here)")
    arguments = parser.parse_args()
    try:
        print(f"{build(arguments.data, arguments.archive)} images in {arguments.archive}")
    except (BuildError, OSError) as error:
        sys.exit(f"build.py: {error}")


if __name__ == "__main__":
    main()
