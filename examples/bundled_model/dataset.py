"""Training data of the bundled model: UCM-Captions and EuroSAT, decoded once into arrays."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.bundled_model.vocabulary import EUROSAT_PHRASES, UCM_PHRASES, class_texts, clean

UCM_PIXELS = 144  # so that a random crop has about the model's 96 pixels
EUROSAT_PIXELS = 64


@dataclass(frozen=True)
class Archive:
    """Images in memory maps, and which texts are true of which image."""

    ucm: NDArray[np.uint8]  # [1890, 144, 144, 3]
    ucm_rows: list[dict[str, Any]]  # image, class, split, captions: one an image of `ucm`
    eurosat: NDArray[np.uint8]  # [23953, 64, 64, 3]
    eurosat_class: NDArray[np.int64]  # index into EUROSAT_PHRASES, one an image of `eurosat`


def open_archive(data: Path, cache: Path) -> Archive:
    """Decode the two tars of `data` into .npy files under `cache`, or reuse what is there."""
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / "done").exists():
        decode_ucm(data / "ucm_captions.tar", cache)
        decode_eurosat(data / "eurosat_rgb.tar", cache)
        (cache / "done").touch()
    return Archive(
        np.load(cache / "ucm.npy", mmap_mode="r"),
        json.loads((cache / "ucm.json").read_text()),
        np.load(cache / "eurosat.npy", mmap_mode="r"),
        np.load(cache / "eurosat_class.npy"),
    )


def decode_ucm(tar: Path, cache: Path) -> None:
    """Images at UCM_PIXELS to ucm.npy, their captions to ucm.json."""
    rows = read_rows(tar)
    with tarfile.open(tar) as archive:
        size = (UCM_PIXELS, UCM_PIXELS)
        images = [
            np.asarray(
                open_rgb(archive, f"ucm_captions/{row['image']}").resize(
                    size, Image.Resampling.BICUBIC
                )
            )
            for row in rows
        ]
    np.save(cache / "ucm.npy", np.stack(images))
    (cache / "ucm.json").write_text(json.dumps(rows))


def read_rows(tar: Path) -> list[dict[str, Any]]:
    """The lines of captions.jsonl in ucm_captions.tar."""
    with tarfile.open(tar) as archive:
        lines = read(archive, "ucm_captions/captions.jsonl").decode().splitlines()
    return [json.loads(line) for line in lines]


def decode_eurosat(tar: Path, cache: Path) -> None:
    """Images to eurosat.npy in order of name, the index of their class to eurosat_class.npy."""
    classes = list(EUROSAT_PHRASES)
    with tarfile.open(tar) as archive:
        names = sorted(name for name in archive.getnames() if name.endswith(".jpg"))
        images = [np.asarray(open_rgb(archive, name)) for name in names]
    np.save(cache / "eurosat.npy", np.stack(images))
    np.save(cache / "eurosat_class.npy", np.array([classes.index(n.split("/")[1]) for n in names]))


def read(archive: tarfile.TarFile, name: str) -> bytes:
    """Bytes of one member; KeyError names a missing one."""
    member = archive.extractfile(name)
    assert member is not None, f"{name} is not a file"
    return member.read()


def open_rgb(archive: tarfile.TarFile, name: str) -> Image.Image:
    """One image of the tar, as RGB."""
    return Image.open(io.BytesIO(read(archive, name))).convert("RGB")


@dataclass(frozen=True)
class Texts:
    """Every text of the training set once, and what it is true of."""

    texts: list[str]
    captions: list[list[int]]  # the five captions of each UCM training image, indices into texts
    ucm_templates: list[list[int]]  # class texts of each UCM training image
    eurosat_templates: list[list[int]]  # class texts of each EuroSAT class
    true_of: NDArray[np.bool_]  # [training images + EuroSAT classes, texts]


def collect_texts(rows: list[dict[str, Any]]) -> Texts:
    """Texts of the UCM training `rows` and of the EuroSAT classes, equal ones merged."""
    index: dict[str, int] = {}

    def ids(texts: list[str]) -> list[int]:
        return [index.setdefault(clean(text), len(index)) for text in texts]

    captions = [ids(row["captions"]) for row in rows]
    by_class = {name: ids(class_texts(phrases)) for name, phrases in UCM_PHRASES.items()}
    ucm_templates = [by_class[row["class"]] for row in rows]
    eurosat_templates = [ids(class_texts(phrases)) for phrases in EUROSAT_PHRASES.values()]
    true_of = np.zeros((len(rows) + len(eurosat_templates), len(index)), dtype=bool)
    for row, (own, templates) in enumerate(zip(captions, ucm_templates, strict=True)):
        true_of[row, own + templates] = True
    for row, templates in enumerate(eurosat_templates, start=len(rows)):
        true_of[row, templates] = True
    return Texts(list(index), captions, ucm_templates, eurosat_templates, true_of)
