"""Scenes through the model: each gets its own vectors, and fails alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.captions import SceneText
from indexer.embedding import embed
from indexer.scene import ReadScene
from scenestore.entry import SceneOutcome
from sgpd.errors import EncoderError
from tests.indexer.colours import SIZE, ColourEncoder

PIXELS = np.random.default_rng(3).integers(1, 256, (10, SIZE, SIZE, 3), dtype=np.uint8)
WORDS = ("a", "wide", "calm", "river", "beside", "many", "small", "red", "roofs")


def scene(number: int) -> ReadScene:
    """A scene with a picture and captions of many lengths, some scenes without any."""
    captions = tuple(" ".join(WORDS[: (number * 5 + i * 3) % 9 + 1]) for i in range(number % 4))
    outcome = SceneOutcome("c", f"{number}", "indexed", chips=1, captions=len(captions))
    return ReadScene(outcome, SceneText(captions), known=False, chip=PIXELS[number])


@pytest.mark.parametrize("size", [1, 3, 64])
def test_every_scene_gets_the_vectors_of_its_own_picture_and_captions(size: int) -> None:
    encoder = ColourEncoder()
    scenes = [scene(number) for number in range(10)]
    for number, found in enumerate(embed(scenes, encoder, size)):
        assert found.outcome == scenes[number].outcome
        assert found.chip is not None
        assert np.array_equal(found.chip, encoder.encode_images([PIXELS[number]])[0])
        expected = [encoder.encode_texts([text])[0] for text in scenes[number].text.captions]
        assert np.array_equal(np.array(found.captions), np.array(expected))


def test_scenes_without_a_picture_pass_in_their_place() -> None:
    gone = ReadScene(SceneOutcome("c", "gone", "deleted"), SceneText(("a",)), known=True)
    found = list(embed([scene(0), gone, scene(1)], ColourEncoder(), 2))
    assert [one.outcome.status for one in found] == ["indexed", "deleted", "indexed"]
    assert (found[1].chip, found[1].captions) == (None, ())


class Spoiled(ColourEncoder):
    """Gives NaN for one picture."""

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        rows = super().encode_images(images)
        rows[[np.array_equal(image, PIXELS[2]) for image in images]] = np.nan
        return rows


def test_a_vector_that_is_no_number_fails_its_scene_alone() -> None:
    found = list(embed([scene(number) for number in range(4)], Spoiled(), 4))
    assert [one.outcome.status for one in found] == ["indexed", "indexed", "failed", "indexed"]
    assert "NaN" in (found[2].outcome.reason or "")
    assert (found[2].outcome.chips, found[2].outcome.captions) == (0, 0)


class Generous(ColourEncoder):
    """Gives a vector more than it is asked for."""

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return super().encode_images([*images, images[0]])


def test_a_model_that_gives_too_many_vectors_is_no_use() -> None:
    with pytest.raises(EncoderError, match="gave 2 vectors for 1 items"):
        list(embed([scene(0), scene(1)], Generous(), 4))
