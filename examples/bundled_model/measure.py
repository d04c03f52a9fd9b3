"""Figures of a model on UCM-Captions.

    python -m examples.bundled_model.measure --data DIR [--model DIR]

DIR of --data holds ucm_captions.tar; the figures are those of its validation split.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from examples.bundled_model.dataset import open_rgb, read_rows
from sgpd.encoders import Encoder, load
from sgpd.metrics import mean_recall, r_at_k

BUNDLED = Path(__file__).resolve().parents[2] / "scenesift" / "assets" / "model"


def retrieval_figures(encoder: Encoder, tar: Path, rows: list[dict[str, Any]]) -> dict[str, float]:
    """R@1, R@5, R@10 in percent both ways, their mean, and the images encoded a second."""
    with tarfile.open(tar) as archive:
        pictures = [np.asarray(open_rgb(archive, f"ucm_captions/{row['image']}")) for row in rows]
    started = time.perf_counter()
    images = encoder.encode_images(pictures)
    seconds = time.perf_counter() - started
    texts = encoder.encode_texts([caption for row in rows for caption in row["captions"]])
    owner = [i for i, row in enumerate(rows) for _ in row["captions"]]
    own = [{j for j, i in enumerate(owner) if i == image} for image in range(len(rows))]
    similarity = images @ texts.T
    ranked_images = np.argsort(-similarity.T, axis=1, kind="stable")[:, :10].tolist()
    ranked_texts = np.argsort(-similarity, axis=1, kind="stable")[:, :10].tolist()
    found = {
        **{
            f"text_to_image_r{k}": r_at_k(ranked_images, [{i} for i in owner], k)
            for k in (1, 5, 10)
        },
        **{f"image_to_text_r{k}": r_at_k(ranked_texts, own, k) for k in (1, 5, 10)},
    }
    found["mean_recall"] = mean_recall(list(found.values()))
    figures = {name: round(100 * value, 2) for name, value in found.items()}
    return {**figures, "images_per_second": round(len(rows) / seconds, 1)}


def main() -> None:
    """Print the figures of the validation split as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=BUNDLED)
    options = parser.parse_args()
    tar = options.data / "ucm_captions.tar"
    rows = [row for row in read_rows(tar) if row["split"] == "val"]
    print(json.dumps(retrieval_figures(load(options.model), tar, rows), indent=2))


if __name__ == "__main__":
    main()
