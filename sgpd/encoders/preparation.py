"""From any RGB image to the pixels that a model takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgpd.errors import EncoderError

RULE = "pillow-bicubic-uint8-1"
"""Part of every identity: raise the number when the pixels that `Preparation` makes change."""

ELONGATION = 8
"""Longer images are cut before they are resized by their shorter side: the crop drops the ends
anyway, and a line of 1 x 60,000 pixels would grow to billions."""


@dataclass(frozen=True)
class Preparation:
    """Resize, centre crop and normalisation of a model, as its image processor states them.

    Every resize is Pillow's antialiased bicubic on uint8, whatever the processor names: training,
    indexing and queries must see the same pixels.
    """

    resize: tuple[int, int] | int | None  # (height, width), or the length of the shorter side
    size: tuple[int, int]  # height and width of the model's input
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def read(cls, folder: Path) -> Preparation:
        """From the files that transformers saves beside a model; EncoderError if there are none.

        Read as JSON: importing transformers' own image processors takes two seconds.
        """
        for name in ("preprocessor_config.json", "processor_config.json"):
            try:
                content = json.loads((folder / name).read_text(encoding="utf-8"))
                return cls.of(content.get("image_processor", content))
            except FileNotFoundError:
                continue
            except (ValueError, AttributeError) as error:
                raise EncoderError(f"{folder / name}: not a JSON object; fetch it again") from error
        raise EncoderError(f"{folder}: no preprocessor_config.json; it says how to resize images")

    @classmethod
    def of(cls, processor: Mapping[str, Any]) -> Preparation:
        """The settings of a transformers image processor; EncoderError if we cannot follow them."""
        crops = bool(processor.get("do_center_crop"))
        resizes = bool(processor.get("do_resize", True))
        resize = resize_rule(processor.get("size"), crops) if resizes else None
        crop = resize_rule(processor.get("crop_size"), crops=False) if crops else resize
        if crop is None:
            raise EncoderError(
                "image processor: gives no size; set size in preprocessor_config.json"
            )
        if abs(processor.get("rescale_factor", 1 / 255) * 255 - 1) > 1e-3:
            raise EncoderError("image processor: its rescale_factor must be 1/255")
        mean, std = processor.get("image_mean"), processor.get("image_std")
        if not processor.get("do_normalize", True):
            mean, std = [0.0] * 3, [1.0] * 3
        if not (mean and std and len(mean) == len(std) == 3):
            raise EncoderError("image processor: needs an image_mean and image_std of 3 channels")
        return cls(
            resize,
            crop if isinstance(crop, tuple) else (crop, crop),
            (float(mean[0]), float(mean[1]), float(mean[2])),
            (float(std[0]), float(std[1]), float(std[2])),
        )

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """RGB [h, w, 3] -> [*size, 3]; an image of that size already is returned as it is."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise EncoderError(
                f"image: {image.dtype} {list(image.shape)} cannot be encoded; give uint8 [h, w, 3]"
            )
        if image.shape[:2] == self.size:
            return image
        if isinstance(self.resize, int):
            image = middle(image)
        height, width = self._resized(*image.shape[:2])
        top, left = (height - self.size[0]) // 2, (width - self.size[1]) // 2
        picture = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
        if (height, width) != self.size:
            picture = picture.crop((left, top, left + self.size[1], top + self.size[0]))
        return np.asarray(picture)

    def _resized(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after the resize, before the crop; a crop beyond them is black."""
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        shorter = min(height, width)
        return height * self.resize // shorter, width * self.resize // shorter


def middle(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a very long image, ELONGATION times its shorter side; others as they are."""
    longest = ELONGATION * min(image.shape[:2])
    top, left = (max(0, side - longest) // 2 for side in image.shape[:2])
    return image[top : top + longest, left : left + longest]


def resize_rule(size: Any, crops: bool) -> tuple[int, int] | int | None:
    """A processor's size, as (height, width) or as the shorter side; an int is older notation."""
    if size is None:
        return None
    if isinstance(size, int):
        return size if crops else (size, size)
    values = {name: value for name, value in dict(size).items() if value is not None}
    if values.keys() == {"height", "width"}:
        return int(values["height"]), int(values["width"])
    if values.keys() == {"shortest_edge"}:
        return int(values["shortest_edge"])
    raise EncoderError(
        f"image processor: cannot follow size {values}; it must give height and width, "
        "or shortest_edge"
    )
