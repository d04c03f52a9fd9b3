"""Captions files: sentences and metadata of a source's scenes.

JSONL, a line an image: `image` (path relative to the source), `captions` (a list of sentences),
and where known `split`, `datetime`, `cloud_cover`, `gsd`, `platform`, `footprint`, `properties`;
or Karpathy JSON: {"images": [{"filename", "filepath"?, "sentences": [{"raw"}], "split"?}]}.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from indexer.errors import CaptionsError
from indexer.metadata import KEYS, parse_metadata
from scenestore.entry import Metadata

LONGEST_CAPTION = 100_000
"""Characters; a longer caption is cut there. A model reads some 50 to 100 words of it."""

_KNOWN = KEYS | {"image", "captions", "split"}
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


_NO_METADATA = Metadata()


@dataclass(frozen=True)
class SceneText:
    """What a captions file says of one scene."""

    captions: tuple[str, ...] = ()
    metadata: Metadata = _NO_METADATA
    split: str | None = None
    fault: str | None = None
    """What is wrong with the metadata, and where: the scene cannot be indexed with it."""

    @cached_property
    def digest(self) -> str:
        """Changes with the captions and the metadata: 32 hex digits of their SHA-256."""
        said: list[Any] = [self.captions, asdict(self.metadata)]
        if self.fault is not None:
            said.append(self.fault)
        content = json.dumps(said, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:32]


_NOTHING = SceneText()


@dataclass(frozen=True)
class Captions:
    """A captions file, read; `notes` say in a line each what of it was left out or cut."""

    scenes: Mapping[str, SceneText]
    notes: tuple[str, ...] = ()

    def of(self, scene: str) -> SceneText:
        """What is said of a scene; nothing where it has no line."""
        return self.scenes.get(scene, _NOTHING)


NO_CAPTIONS = Captions({})


def read_captions(path: Path) -> Captions:
    """Read a captions file of either form.

    Metadata that is not as it should be is a fault of its scene only. For any other fault, raises
    CaptionsError with file and line (or number of the image) at the first.
    """
    reader = _Reader(path)
    try:
        with path.open("rb") as file:
            first = file.readline()
            karpathy = path.suffix.lower() == ".json" or _is_karpathy(first)
        for place, line in _karpathy_lines(path) if karpathy else _jsonl_lines(path):
            reader.add(place, line)
    except OSError as error:
        raise CaptionsError(f"{path} cannot be read: {error.strerror}") from error
    return Captions(reader.scenes, tuple(reader.notes()))


class _Reader:
    """Gathers the lines of one file."""

    def __init__(self, path: Path) -> None:
        self.scenes: dict[str, SceneText] = {}
        self._path = path
        self._odd: dict[str, tuple[int, str]] = {}

    def add(self, place: str, line: Any) -> None:
        """Take over one line, which `place` names."""
        if not isinstance(line, dict):
            _fail(self._path, place, "not a JSON object; write one object a line")
        scene = self._scene(place, line.get("image"))
        split = line.get("split")
        if split is not None and not isinstance(split, str):
            _fail(self._path, place, "split is not a string")
        metadata, fault = _NO_METADATA, None
        try:
            metadata = parse_metadata(line)
        except ValueError as error:
            fault = f"{self._path}: {place}: {error}"
        captions = tuple(self._sentences(place, line.get("captions")))
        text = SceneText(captions, metadata, split, fault)
        self.scenes[scene] = self._joined(place, self.scenes.get(scene), text)
        for key in line.keys() - _KNOWN:
            self._note(f"unknown key {key!a} ignored", place)

    def notes(self) -> Iterator[str]:
        """One line for each kind of oddity."""
        for what, (count, first) in self._odd.items():
            yield f"{self._path}: {what} ({count} times, first at {first})"

    def _scene(self, place: str, image: Any) -> str:
        if not isinstance(image, str) or not image or "\0" in image:
            _fail(self._path, place, "image is missing; give its path relative to the source")
        scene = PurePosixPath(image)
        if scene.is_absolute() or ".." in scene.parts:
            _fail(self._path, place, f"image {image!a} is not a path relative to the source")
        return _clean(str(scene))

    def _sentences(self, place: str, value: Any) -> Iterator[str]:
        sentences = [value] if isinstance(value, str) else (value or [])
        if not isinstance(sentences, list):
            _fail(self._path, place, "captions is not a list of strings")
        for sentence in sentences:
            if not isinstance(sentence, str):
                _fail(self._path, place, f"caption {ascii(sentence)[:60]} is not a string")
            cleaned = " ".join(_clean(sentence).split())
            if not cleaned:
                self._note("empty caption left out", place)
                continue
            if len(cleaned) > LONGEST_CAPTION:
                self._note(f"caption cut at {LONGEST_CAPTION} characters", place)
            yield cleaned[:LONGEST_CAPTION]

    def _joined(self, place: str, known: SceneText | None, more: SceneText) -> SceneText:
        """Several lines of one image add up; what they say beside captions must agree."""
        if known is None:
            return more
        metadata = known.metadata if more.metadata == _NO_METADATA else more.metadata
        if known.metadata not in (_NO_METADATA, metadata):
            _fail(self._path, place, "an earlier line gives this image other metadata")
        if None not in (known.split, more.split) and known.split != more.split:
            _fail(self._path, place, "an earlier line gives this image another split")
        captions = known.captions + more.captions
        return SceneText(
            captions, metadata, known.split or more.split, fault=known.fault or more.fault
        )

    def _note(self, what: str, place: str) -> None:
        count, first = self._odd.get(what, (0, place))
        self._odd[what] = (count + 1, first)


def _jsonl_lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, content in enumerate(file, 1):
            text = _decoded(path, f"line {number}", content, first=number == 1)
            if text.strip():
                yield f"line {number}", _parsed(path, f"line {number}", text)


def _karpathy_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """The images of a Karpathy file, in the shape of JSONL lines."""
    text = _decoded(path, "its content", path.read_bytes(), first=True)
    value = _parsed(path, "its content", text)
    images = value.get("images") if isinstance(value, dict) else None
    if not isinstance(images, list):
        _fail(path, "its content", 'there is no list "images"; give Karpathy JSON, or JSONL')
    for number, image in enumerate(images):
        place = f"images[{number}]"
        try:
            name = PurePosixPath(image.get("filepath") or "", image["filename"])
            sentences = [sentence["raw"] for sentence in image.get("sentences") or []]
            yield place, {"image": str(name), "captions": sentences, "split": image.get("split")}
        except (AttributeError, KeyError, TypeError):
            _fail(path, place, "needs a filename, and a raw for each of its sentences")


def _is_karpathy(first_line: bytes) -> bool:
    return re.match(rb'(\xef\xbb\xbf)?\s*\{.*"images"\s*:\s*\[', first_line) is not None


def _decoded(path: Path, place: str, content: bytes, first: bool) -> str:
    try:
        return content.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError as error:
        _fail(path, place, f"byte {error.start + 1} is not UTF-8; save the file as UTF-8")


def _parsed(path: Path, place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, " if error.lineno > 1 else ""
        _fail(path, place, f"not JSON ({error.msg} at {where}column {error.colno})")
    except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
        _fail(path, place, "JSON that cannot be read; nested too deep, or too large a number")


def _clean(text: str) -> str:
    """Without control characters and halves of surrogate pairs, which JSON can spell."""
    return _UNWRITABLE.sub(" ", text)


def _fail(path: Path, place: str, fault: str) -> NoReturn:
    raise CaptionsError(f"{path}: {place}: {fault}")
