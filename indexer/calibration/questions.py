"""Questions: queries that a calibration is made on, drawn from the archive or read from a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from indexer.errors import ImageError, QueriesError
from indexer.images import read_image
from scenestore.entry import Kind, Scene, scene_of
from scenestore.filters import ANY
from scenestore.generation import Generation
from sgpd.calibration import WRITTEN, Asked
from sgpd.embeddings import checked
from sgpd.errors import EmbeddingError

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

_PAGE = 256
_LOOKED_AT = 10
"""Entries looked at for each question wanted: scenes of many entries are drawn again and again."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Queries of one sort, at most one of a scene where the archive gave them."""

    asked: Asked
    vectors: NDArray[np.float32]
    """Shape [n, d]: unit rows."""
    kinds: NDArray[np.str_]
    """Shape [n]: what sort of query each is, such as caption."""
    scenes: tuple[Scene | None, ...]
    """The (collection, scene) that each comes from and that its search leaves out."""
    sources: NDArray[np.str_]
    """Shape [n]: queries of one source are never in two splits."""

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, rows: NDArray[np.integer]) -> Questions:
        """The questions of the given rows, in that order."""
        return replace(
            self,
            vectors=self.vectors[rows],
            kinds=self.kinds[rows],
            scenes=tuple(self.scenes[i] for i in rows.tolist()),
            sources=self.sources[rows],
        )

    def one_a_source(self, seed: int = 0) -> Questions:
        """One question of each source, drawn at random: siblings are not exchangeable."""
        order = np.random.default_rng(seed).permutation(len(self))
        _, first = np.unique(self.sources[order], return_index=True)
        return self.take(order[np.sort(first)])


def drawn(generation: Generation, kind: Kind, count: int, seed: int = 0) -> Questions:
    """Stored vectors of up to `count` live entries of a kind, no two of one scene."""
    keys = generation.documents.keys(kind, ANY, sys.maxsize)
    order = np.random.default_rng(seed).permutation(len(keys))
    chosen: dict[Scene, int] = {}
    for start in range(0, min(len(order), _LOOKED_AT * count), _PAGE):
        if len(chosen) >= count:
            break
        page = keys[order[start : start + _PAGE]].tolist()
        entries = generation.documents.fetch(kind, page, ANY)
        for key in page:
            if key in entries:
                chosen.setdefault(scene_of(entries[key].identity), key)
    scenes = tuple(list(chosen)[:count])
    keys = np.array([chosen[scene] for scene in scenes], np.int64)
    vectors = generation.reader.segments(kind, holding=keys).vectors(keys)
    there = np.flatnonzero(~np.isnan(vectors).any(axis=1))
    questions = Questions(
        WRITTEN[kind],
        vectors,
        np.full(len(keys), kind),
        scenes,
        np.array(["/".join(scene) for scene in scenes], np.str_),
    )
    return questions.take(there)


def read_questions(
    file: Path, encoder: Callable[[], Encoder], bundle: str, dimension: int
) -> list[Questions]:
    """Questions of a JSONL file, texts and images apart.

    A line has `text`, or `image` (a file, relative to this one), or `embedding` (numbers) with
    `asked` (text or image) and `bundle` (the digest of the bundle that it goes with); beside that
    maybe `kind`, a name for that sort of query, and `collection` and `scene`, which its search
    leaves out. Raises QueriesError with the line's number.
    """
    lines = list(_lines(file, bundle))
    if not lines:
        raise QueriesError(f"{file} holds no query; give one JSON object a line")
    read = []
    for asked in ("text", "image"):
        chosen = [(number, line) for number, line in lines if _asked(line) == asked]
        if chosen:
            read.append(_questions(file, asked, chosen, encoder, dimension))
    return read


def _lines(file: Path, bundle: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QueriesError(f"{file}: cannot be read as UTF-8 text ({error})") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise QueriesError(f"{file}, line {number}: not JSON ({error})") from error
        if not isinstance(value, dict) or _asked(value) is None:
            raise QueriesError(
                f"{file}, line {number}: needs `text`, `image`, or `embedding` with `asked`"
            )
        if "embedding" in value and value.get("bundle") != bundle:
            raise QueriesError(
                f"{file}, line {number}: the embedding goes with bundle {value.get('bundle')}, "
                f"but the archive has {bundle}; give texts or images, or vectors of its model"
            )
        yield number, value


def _asked(line: dict[str, Any]) -> Asked | None:
    if isinstance(line.get("text"), str) and line["text"].strip():
        return "text"
    if isinstance(line.get("image"), str):
        return "image"
    if "embedding" in line and line.get("asked") in ("text", "image"):
        return "text" if line["asked"] == "text" else "image"
    return None


def _questions(
    file: Path,
    asked: Asked,
    lines: Sequence[tuple[int, dict[str, Any]]],
    encoder: Callable[[], Encoder],
    dimension: int,
) -> Questions:
    vectors = np.empty((len(lines), dimension), np.float32)
    given = [i for i, (_, line) in enumerate(lines) if "embedding" in line]
    encoded = [i for i, (_, line) in enumerate(lines) if "embedding" not in line]
    for i in given:
        number, line = lines[i]
        try:
            row = np.asarray(line["embedding"], np.float32)
            vectors[i] = checked(row[None], dimension, "embedding")[0]
        except (EmbeddingError, ValueError, TypeError) as error:
            raise QueriesError(f"{file}, line {number}: {error}") from error
    for start in range(0, len(encoded), _PAGE):
        page = encoded[start : start + _PAGE]
        if asked == "text":
            vectors[page] = encoder().encode_texts([lines[i][1]["text"] for i in page])
        else:
            images = [_pixels(file, *lines[i]) for i in page]
            vectors[page] = encoder().encode_images(images)
    scenes = tuple(_left_out(line) for _, line in lines)
    return Questions(
        asked,
        vectors,
        np.array([str(line.get("kind", asked)) for _, line in lines], np.str_),
        scenes,
        np.array([_source(number, line) for number, line in lines], np.str_),
    )


def _pixels(file: Path, number: int, line: dict[str, Any]) -> NDArray[np.uint8]:
    try:
        return read_image(file.parent / line["image"])
    except (ImageError, OSError) as error:
        raise QueriesError(f"{file}, line {number}: {line['image']}: {error}") from error


def _left_out(line: dict[str, Any]) -> Scene | None:
    scene = line.get("scene")
    return (str(line.get("collection", "default")), str(scene)) if scene is not None else None


def _source(number: int, line: dict[str, Any]) -> str:
    scene = _left_out(line)
    return "/".join(scene) if scene else str(line.get("image", f"line {number}"))
