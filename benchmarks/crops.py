"""Crops of real images: which windows are cut, and their embeddings, cached in parts.

The windows and turns of an image follow from its name alone, so that every run cuts the same.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexer.pipeline import closing_pool, read_ahead
from sgpd.encoders import Encoder

_IMAGES_A_PART = 256
"""A part is the unit of the cache: what a killed run loses at most."""
_IMAGES_AHEAD = 32
_BLOCK = 256
"""Crops that the model is given at once."""
_TURNS = 8


@dataclass(frozen=True)
class Cut:
    """How many windows are cut from an image, and which."""

    crops: int
    least: float
    """Smallest side of a crop, as a share of the image's."""
    metres: float
    """Side of the image on the ground."""
    whole: bool = True
    """Whether the first is the whole image."""


@dataclass(frozen=True)
class Source:
    """An image on disk."""

    path: Path
    name: str
    """Its path below its data set: what seeds its windows."""
    klass: str
    cut: Cut


@dataclass(frozen=True)
class Window:
    """A square part of an image, flipped and turned."""

    left: float
    top: float
    side: float
    """Shares of the image's side."""
    turn: int
    """From 0 to 7: quarter turns, and from 4 on mirrored first."""


def windows(source: Source) -> list[Window]:
    """The windows of an image, small and large alike."""
    seed = int.from_bytes(hashlib.sha256(source.name.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    found = [Window(0, 0, 1, 0)] if source.cut.whole else []
    while len(found) < source.cut.crops:
        side = source.cut.least ** float(rng.random())
        left, top = (float(v) for v in rng.random(2) * (1 - side))
        found.append(Window(left, top, side, int(rng.integers(_TURNS))))
    return found


def embed_crops(
    sources: Sequence[Source], encoder: Encoder, cache: Path, name: str
) -> NDArray[np.float16]:
    """Embeddings [n, d] of all windows of the images, in order, rounded as they are stored.

    Parts that the cache folder holds are not made again. A line on standard error for each part.
    """
    cache.mkdir(parents=True, exist_ok=True)
    parts = [sources[i : i + _IMAGES_A_PART] for i in range(0, len(sources), _IMAGES_A_PART)]
    found = []
    with closing_pool(1) as pool:
        for number, part in enumerate(parts):
            file = cache / f"{name}-{part_digest(part)}.npy"
            if not file.exists():
                started = time.perf_counter()
                save(file, _embed_part(part, encoder, pool))
                rate = sum(source.cut.crops for source in part) / (time.perf_counter() - started)
                print(f"{name}: part {number + 1} of {len(parts)}, {rate:.0f}/s", file=sys.stderr)
            found.append(np.load(file))
    return np.concatenate(found)


def part_digest(sources: Sequence[Source]) -> str:
    """Names a part by what is cut in it."""
    cut = [(source.name, source.cut) for source in sources]
    return hashlib.sha256(repr(cut).encode()).hexdigest()[:16]


def save(file: Path, array: NDArray[np.generic]) -> None:
    """Write an array in one step: a killed run leaves no half of it."""
    draft = file.with_suffix(f".{time.time_ns()}.tmp.npy")
    np.save(draft, array)
    draft.rename(file)


def _embed_part(
    part: Sequence[Source], encoder: Encoder, pool: ThreadPoolExecutor
) -> NDArray[np.float16]:
    """Decode and cut in a thread, ahead of the model."""

    def cut(source: Source) -> list[NDArray[np.uint8]]:
        return [encoder.prepare(crop) for crop in crops(source)]

    waiting: list[NDArray[np.uint8]] = []
    blocks = []
    for made in read_ahead(pool, cut, part, _IMAGES_AHEAD):
        waiting += made
        if len(waiting) >= _BLOCK:
            blocks.append(encoder.encode_images(waiting))
            waiting = []
    if waiting:
        blocks.append(encoder.encode_images(waiting))
    return np.concatenate(blocks).astype(np.float16)


def crops(source: Source) -> list[NDArray[np.uint8]]:
    """The pixels [h, w, 3] of an image's windows; it is decoded once."""
    with Image.open(source.path) as file:
        pixels = np.asarray(file.convert("RGB"))
    height, width = pixels.shape[:2]
    found = []
    for window in windows(source):
        top, left = round(window.top * height), round(window.left * width)
        rows, columns = round(window.side * height), round(window.side * width)
        crop = pixels[top : top + rows, left : left + columns]
        mirrored = crop[:, ::-1] if window.turn >= _TURNS // 2 else crop
        found.append(np.ascontiguousarray(np.rot90(mirrored, window.turn)))
    return found
