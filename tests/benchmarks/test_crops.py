"""The benchmarks' corpus: the same crops every time, made once, with attributes that can filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.attributes import Attributes, By, synthesise
from benchmarks.crops import Cut, Source, crops, embed_crops, windows
from sgpd.encoders import load

MODEL = Path(__file__).parents[2] / "scenesift" / "assets" / "model"


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    found = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        found.append(Source(path, f"land/{number}.png", "land", Cut(4, 0.5, 640.0)))
    return found


def test_windows_follow_from_the_name_and_lie_within_the_image(sources: list[Source]) -> None:
    first = windows(sources[0])
    assert first == windows(replace(sources[0], path=Path("elsewhere.png")))
    assert first[0].side == 1
    assert first[1:] != windows(sources[1])[1:]
    assert all(w.left >= 0 and w.left + w.side <= 1 and 0.5 <= w.side <= 1 for w in first)
    held = replace(sources[0], cut=replace(sources[0].cut, crops=1, whole=False))
    assert [w.side < 1 for w in windows(held)] == [True]


def test_a_crop_is_its_window_turned(sources: list[Source]) -> None:
    pixels = np.asarray(Image.open(sources[0].path))
    for window, crop in zip(windows(sources[0]), crops(sources[0]), strict=True):
        assert abs(crop.shape[0] - window.side * 64) <= 1
        corner = pixels[round(window.top * 64), round(window.left * 64)]
        assert any((corner == crop[i, j]).all() for i in (0, -1) for j in (0, -1))


def test_embeddings_are_made_once(sources: list[Source], tmp_path: Path) -> None:
    encoder = load(MODEL)
    x = embed_crops(sources, encoder, tmp_path, "chips")
    assert x.shape == (12, encoder.dimension)
    assert x.dtype == np.float16

    class Broken:
        identity, dimension, prepare = encoder.identity, encoder.dimension, encoder.prepare

        def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            raise AssertionError("encoded twice")

        def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            raise AssertionError("encoded twice")

    np.testing.assert_array_equal(x, embed_crops(sources, Broken(), tmp_path, "chips"))
    with pytest.raises(AssertionError, match="encoded twice"):
        embed_crops(sources[:2], Broken(), tmp_path, "chips")


@pytest.fixture(scope="module")
def attributes() -> Attributes:
    rng = np.random.default_rng(0)
    chips = np.repeat(np.arange(500), 4)
    cut = np.column_stack([rng.uniform(0, 0.5, (2_000, 2)), np.full(2_000, 0.5)])
    return synthesise(np.arange(500) % 7, chips, cut, np.full(500, 640.0))


def test_chips_of_an_image_share_day_and_clouds_and_lie_in_it(attributes: Attributes) -> None:
    assert (attributes.day.reshape(500, 4) == attributes.day[::4, None]).all()
    assert (attributes.cloud.reshape(500, 4) == attributes.cloud[::4, None]).all()
    west, south, east, north = attributes.footprint.T
    np.testing.assert_allclose(east - west, 320 / 111_320)
    np.testing.assert_allclose(north - south, 320 / 111_320)
    assert ((attributes.cloud >= 0) & (attributes.cloud <= 100)).all()


@pytest.mark.parametrize("by", ["random", "time", "place", "cloud"])
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_a_band_keeps_its_share(attributes: Attributes, by: By, share: float) -> None:
    kept = attributes.band(by, share, np.random.default_rng(1)).mean()
    assert share / 2 <= kept <= 2 * share
