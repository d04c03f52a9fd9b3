"""Embedding: scenes go through the model in batches; an item that fails, fails alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.scene import EmbeddedScene, ReadScene
from sgpd.embeddings import checked
from sgpd.errors import EncoderError

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

Item = TypeVar("Item")


def embed(scenes: Iterable[ReadScene], encoder: Encoder, size: int) -> Iterator[EmbeddedScene]:
    """Give scenes their vectors, `size` images or captions at once.

    A scene of which anything cannot be encoded is a failed one. Raises EncoderError when the model
    can encode nothing at all.
    """
    remaining = iter(scenes)
    while group := list(islice(remaining, size)):
        yield from _embed_group(group, encoder, size)


def _embed_group(
    scenes: Sequence[ReadScene], encoder: Encoder, size: int
) -> Iterator[EmbeddedScene]:
    chips = [scene.chip for scene in scenes if scene.chip is not None]
    texts = [text for scene in scenes if scene.chip is not None for text in scene.text.captions]
    # Alike in length, captions need little padding.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    by_length: list[_Encoded] = []
    for start in range(0, len(order), size):
        part = [texts[i] for i in order[start : start + size]]
        by_length += _encoded(encoder.encode_texts, part, encoder.dimension, _SOME_TEXT)
    rows = dict(zip(order, by_length, strict=True))
    images = iter(_encoded(encoder.encode_images, chips, encoder.dimension, _SOME_IMAGE))
    sentences = iter(rows[i] for i in range(len(texts)))
    for scene in scenes:
        if scene.chip is None:
            yield EmbeddedScene(scene, scene.outcome)
            continue
        chip = next(images)
        captions = list(islice(sentences, len(scene.text.captions)))
        yield _embedded(scene, chip, captions)


_Encoded = NDArray[np.float32] | str
"""A vector [d], or why there is none."""


def _embedded(scene: ReadScene, chip: _Encoded, captions: Sequence[_Encoded]) -> EmbeddedScene:
    faults = [f"cannot be encoded: {chip}"] if isinstance(chip, str) else []
    faults += [
        f"caption {number} cannot be encoded: {caption}"
        for number, caption in enumerate(captions)
        if isinstance(caption, str)
    ]
    if faults:
        failed = replace(scene.outcome, status="failed", reason=faults[0], chips=0, captions=0)
        return EmbeddedScene(scene, failed)
    vectors = [vector for vector in (chip, *captions) if not isinstance(vector, str)]
    return EmbeddedScene(scene, scene.outcome, vectors[0], tuple(vectors[1:]))


_SOME_IMAGE = np.full((64, 64, 3), 128, np.uint8)
_SOME_TEXT = "a river"


def _encoded(
    encode: Callable[[Sequence[Any]], NDArray[np.float32]],
    items: Sequence[Item],
    dimension: int,
    plain: Item,
) -> list[_Encoded]:
    """The vector of each item; when the items fail together, each is tried alone.

    When none succeeds, `plain` tells whether the items are at fault or the model: EncoderError.
    """
    if not items:
        return []
    try:
        return list(_checked_rows(encode, items, dimension))
    except Exception:  # a model raises anything: RuntimeError, IndexError, out of memory, ...
        alone = [_encoded_alone(encode, item, dimension) for item in items]
    if all(isinstance(row, str) for row in alone):
        fault = _encoded_alone(encode, plain, dimension)
        if isinstance(fault, str):
            raise EncoderError(f"the model can encode nothing: {fault}; check it and its device")
    return alone


def _encoded_alone(
    encode: Callable[[Sequence[Any]], NDArray[np.float32]], item: Any, dimension: int
) -> _Encoded:
    try:
        row: NDArray[np.float32] = _checked_rows(encode, [item], dimension)[0]
        return row
    except Exception as error:  # as above
        return " ".join(str(error).split())[:200] or type(error).__name__


def _checked_rows(
    encode: Callable[[Sequence[Any]], NDArray[np.float32]], items: Sequence[Any], dimension: int
) -> NDArray[np.float32]:
    rows = checked(encode(items), dimension, "embeddings")
    if len(rows) != len(items):
        raise EncoderError(f"the model gave {len(rows)} vectors for {len(items)} items")
    return rows
