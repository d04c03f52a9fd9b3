"""The images and captions of one split, as a folder that the pipeline indexes like any other."""

from __future__ import annotations

import json
from pathlib import Path

from indexer.captions import read_captions
from indexer.source import Source
from scenesift.errors import EvaluationError

CAPTIONS = "captions.jsonl"


def beside(source: Path) -> Path | None:
    """The captions file of a folder of images, where there is one."""
    file = source / CAPTIONS
    return file if file.is_file() else None


def select(source: Path, captions: Path, split: str | None, folder: Path) -> Path:
    """Link the images of a split into an empty folder; returns the captions file beside them.

    Images that the captions file does not name are left out. Raises EvaluationError when there is
    no such split, or none of its images.
    """
    texts = read_captions(captions).scenes
    chosen = {scene: text for scene, text in texts.items() if split is None or text.split == split}
    if not chosen:
        splits = sorted({text.split for text in texts.values() if text.split})
        known = f"there are {', '.join(splits)}" if splits else "no image names one"
        raise EvaluationError(f"{captions}: no image of split {split!r}; {known}")
    file = folder / CAPTIONS
    linked = 0
    with file.open("w", encoding="utf-8") as lines:
        for image in Source(source).files():
            text = chosen.get(image.scene)
            if text is None:
                continue
            link = folder / image.scene
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(image.path)
            lines.write(json.dumps({"image": image.scene, "captions": text.captions}) + "\n")
            linked += 1
    if not linked:
        raise EvaluationError(
            f"{source}: none of the {len(chosen):,} images that {captions} names is there; "
            "check that `image` is relative to the folder"
        )
    return file
