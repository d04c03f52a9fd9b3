"""Fit the bundle that ships with the bundled model, on the images and captions it was trained on.

    python examples/bundled_model/fit_bundle.py --data DIR [--out scenesift/assets/bundle]

DIR holds `ucm_captions.tar` and `eurosat_rgb.tar`. The validation split of UCM-Captions is left out
of the fit, so that what is measured on it is measured on scenes that the codebook has not seen.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.images import read_image
from sgpd.concepts import read_concepts
from sgpd.encoders import Encoder, load
from sgpd.fit import CaptionSample, fit

BATCH = 256
ASSETS = Path(__file__).resolve().parents[2] / "scenesift" / "assets"


def main() -> None:
    """Encode, fit, save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=ASSETS / "model")
    parser.add_argument("--out", type=Path, default=ASSETS / "bundle")
    options = parser.parse_args()
    encoder = load(options.model)
    ucm = training_rows(options.data / "ucm_captions.tar")
    names = [f"ucm_captions/{row['image']}" for row in ucm]
    embeddings = [
        encode(encoder, images(options.data / "ucm_captions.tar", names)),
        encode(encoder, images(options.data / "eurosat_rgb.tar", None)),
    ]
    texts = [text for row in ucm for text in row["captions"]]
    rows = [number for number, row in enumerate(ucm) for _ in row["captions"]]
    captions = CaptionSample(texts, encoder.encode_texts(texts), rows)
    bundle = fit(
        np.concatenate(embeddings),
        encoder.identity,
        captions=captions,
        concepts=read_concepts(encoder),
        progress=print,
    )
    if options.out.exists():
        shutil.rmtree(options.out)
    bundle.save(options.out)
    print(f"{options.out}: bundle {bundle.digest[:16]}, {json.dumps(bundle.fitted)}")


def training_rows(tar: Path) -> list[dict[str, Sequence[str]]]:
    """The lines of UCM-Captions that are not of its validation split."""
    with tarfile.open(tar) as archive:
        file = archive.extractfile("ucm_captions/captions.jsonl")
        assert file is not None
        rows = [json.loads(line) for line in file]
    return [row for row in rows if row["split"] != "val"]


def images(tar: Path, names: Sequence[str] | None) -> Iterator[NDArray[np.uint8]]:
    """Pixels [h, w, 3] of the named members of a tar, or of all its JPEGs by name."""
    with tarfile.open(tar) as archive:
        chosen = names or sorted(name for name in archive.getnames() if name.endswith(".jpg"))
        for name in chosen:
            file = archive.extractfile(name)
            assert file is not None
            yield read_image(file.read())


def encode(encoder: Encoder, pixels: Iterator[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Embeddings [n, d] of all images."""
    parts = []
    while batch := list(islice(pixels, BATCH)):
        parts.append(encoder.encode_images(batch))
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
