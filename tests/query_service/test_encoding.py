"""Texts and images that searches wait for are encoded together, and once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from query_service.encoding import Encoding
from query_service.errors import TimedOutError
from query_service.metrics import Metrics
from query_service.search import Searcher
from scenesift.pins import Pin
from sgpd.errors import BundleError, EncoderError
from tests.builders import ENCODER, embedded_generation


class Slow:
    """A model of 32 numbers that runs when it is let, and cannot encode `bad`."""

    identity = ENCODER
    dimension = 32

    def __init__(self) -> None:
        self.may_run = threading.Event()
        self.may_run.set()
        self.begun = threading.Semaphore(0)
        self.passes: list[list[str]] = []

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return image

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return self.encode_texts([f"image {image.sum()}" for image in images])

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.begun.release()
        assert self.may_run.wait(20)
        if "bad" in texts:
            raise EncoderError("the model gives NaN")
        self.passes.append(list(texts))
        seeds = [sum(text.encode()) for text in texts]
        rows = np.stack([np.random.default_rng(seed).normal(size=32) for seed in seeds])
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture
def model() -> Slow:
    return Slow()


@pytest.fixture
def encoding(model: Slow) -> Iterator[Encoding]:
    encoding = Encoding(lambda generation: model, 10.0, Metrics())
    yield encoding
    model.may_run.set()
    encoding.close(20)


@pytest.fixture
def held(tmp_path: Path, model: Slow) -> Pin:
    generation = embedded_generation(tmp_path)
    return Pin(generation, Searcher(generation, lambda: model))


def test_what_waits_is_encoded_together_and_what_is_the_same_once(
    encoding: Encoding, model: Slow, held: Pin
) -> None:
    model.may_run.clear()
    words = ["first", "a", "b", "c", "a", "b"]
    with ThreadPoolExecutor(len(words)) as threads:
        first = threads.submit(encoding.encode, held, ["first"])
        assert model.begun.acquire(timeout=20)
        others = [threads.submit(encoding.encode, held, [word]) for word in words]
        while encoding._tasks.qsize() < 3:
            pass
        model.may_run.set()
        found = [other.result() for other in others]
    assert model.passes[0] == ["first"]
    assert sorted(model.passes[1]) == ["a", "b", "c"]
    assert len(model.passes) == 2
    np.testing.assert_array_equal(first.result()[0], found[0][0])
    np.testing.assert_array_equal(found[1][0], found[4][0])
    encoding.encode(held, ["a", "c"])
    assert len(model.passes) == 2


def test_one_that_cannot_be_encoded_harms_no_other(
    encoding: Encoding, model: Slow, held: Pin
) -> None:
    model.may_run.clear()
    with ThreadPoolExecutor(3) as threads:
        threads.submit(encoding.encode, held, ["first"])
        assert model.begun.acquire(timeout=20)
        bad = threads.submit(encoding.encode, held, ["bad"])
        good = threads.submit(encoding.encode, held, ["good"])
        while encoding._tasks.qsize() < 2:
            pass
        model.may_run.set()
        assert good.result()[0].shape == (32,)
        with pytest.raises(EncoderError, match="NaN"):
            bad.result()
    with pytest.raises(EncoderError, match="NaN"):  # and it is asked again
        encoding.encode(held, ["bad"])


def test_a_model_that_gives_too_few_embeddings_is_said_to_and_asked_again(held: Pin) -> None:
    class Short(Slow):
        def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            rows = super().encode_texts(texts)
            return rows[:0] if "short" in texts else rows

    encoding = Encoding(lambda generation: Short(), 20, Metrics())
    with pytest.raises(EncoderError, match="0 embeddings for 1 items"):
        encoding.encode(held, ["short"])
    assert encoding.encode(held, ["whole"])[0].shape == (32,)
    encoding.close(20)


def test_images_are_known_by_their_pixels(encoding: Encoding, model: Slow, held: Pin) -> None:
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    one, two, three = encoding.encode(held, [black, white, black.copy()])
    np.testing.assert_array_equal(one, three)
    assert not np.array_equal(one, two)
    assert sum(map(len, model.passes)) == 2


def test_nobody_waits_for_ever(model: Slow, held: Pin) -> None:
    encoding = Encoding(lambda generation: model, 0.05, Metrics())
    model.may_run.clear()
    with pytest.raises(TimedOutError):
        encoding.encode(held, ["a"])
    model.may_run.set()
    encoding.close(20)


def test_what_nobody_waits_for_any_more_is_not_encoded(model: Slow, held: Pin) -> None:
    encoding = Encoding(lambda generation: model, 0.05, Metrics())
    model.may_run.clear()
    for text in ("first", "given up"):
        with pytest.raises(TimedOutError):
            encoding.encode(held, [text])
    model.may_run.set()
    encoding.close(20)
    assert model.passes == [["first"]]


def test_a_search_of_several_parts_waits_no_longer_than_one(held: Pin) -> None:
    pause = 0.4

    class Slower(Slow):
        def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            time.sleep(pause)
            return super().encode_texts(texts)

    slower = Slower()
    encoding = Encoding(lambda generation: slower, 1.5 * pause, Metrics())
    with pytest.raises(TimedOutError):  # the text and the image are a pass each
        encoding.encode(held, ["a", np.zeros((4, 4, 3), np.uint8)])
    encoding.close(20)


def test_another_model_than_the_bundles_is_refused(
    encoding: Encoding, model: Slow, held: Pin
) -> None:
    model.identity = "another"
    with pytest.raises(BundleError):
        encoding.encode(held, ["a"])
