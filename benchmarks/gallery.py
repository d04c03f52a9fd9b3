"""Real embeddings: EuroSAT and UC Merced training images under the bundled model.

Nothing of UC Merced's validation split is touched: it is for reports, and settings are tuned here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgpd.encoders import Encoder, load
from sgpd.fit import CaptionSample

MODEL = Path(__file__).parent.parent / "scenesift" / "assets" / "model"
_CACHE = Path(__file__).parent.parent / ".cache" / "benchmarks"
_HELD_OUT = 600
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Gallery:
    """Images to search, and queries whose own images are not among them."""

    images: NDArray[np.float32]
    """Shape [n, d]."""
    captions: CaptionSample
    """Five for each UC Merced image among them."""
    image_queries: NDArray[np.float32]
    """Images held out of the gallery."""
    text_queries: NDArray[np.float32]
    """Different captions of UC Merced images, held out of the gallery as far as they are unique."""


def real_gallery(data: Path, model: Path = MODEL, size: int | None = None) -> Gallery:
    """Encode (once, then from a cache) the folders eurosat_rgb and ucm_captions under `data`.

    `size` keeps that many EuroSAT images, drawn at random.
    """
    encoder = load(model)
    lines = (data / "ucm_captions" / "captions.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["split"] == "train"]
    cache = _CACHE / encoder.identity.replace(":", "-")
    eurosat = _images(encoder, sorted((data / "eurosat_rgb").rglob("*.jpg")), cache / "eurosat.npy")
    paths = [data / "ucm_captions" / row["image"] for row in rows]
    ucm = _images(encoder, paths, cache / "ucm.npy")
    texts = [text for row in rows for text in row["captions"][:5]]
    sentences = encoder.encode_texts(texts)

    rng = np.random.default_rng(0)
    eurosat = eurosat[rng.permutation(len(eurosat))[: None if size is None else size + _HELD_OUT]]
    order = rng.permutation(len(ucm))
    held, kept = order[: _HELD_OUT // 2], order[_HELD_OUT // 2 :]
    described = (5 * kept[:, None] + np.arange(5)).ravel()
    asked = (5 * held[:, None] + np.arange(5)).ravel()
    _, once = np.unique([texts[i] for i in asked], return_index=True)
    return Gallery(
        images=np.concatenate([ucm[kept], eurosat[_HELD_OUT:]]),
        captions=CaptionSample(
            [texts[i] for i in described],
            sentences[described],
            np.repeat(np.arange(len(kept)), 5),
        ),
        image_queries=np.concatenate([ucm[held], eurosat[:_HELD_OUT]]),
        text_queries=sentences[asked[once]],
    )


def _images(encoder: Encoder, paths: list[Path], cache: Path) -> NDArray[np.float32]:
    if cache.exists():
        return np.asarray(np.load(cache), np.float32)
    blocks = []
    for start in range(0, len(paths), _BLOCK):
        pixels = [np.asarray(Image.open(p).convert("RGB")) for p in paths[start : start + _BLOCK]]
        blocks.append(encoder.encode_images([encoder.prepare(image) for image in pixels]))
    embeddings = np.concatenate(blocks)
    cache.parent.mkdir(parents=True, exist_ok=True)
    np.save(cache, embeddings)
    return embeddings
