"""A folder of images: every image file in it is a scene."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import SourceError

SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "jp2", "j2k", "png", "webp", "tif", "tiff"),
        *("bmp", "gif", "avif", "ppm", "pgm"),
    )
)
"""What makes a file a scene; which format it really has, its content decides."""
_ARCHIVES = frozenset((".tar", ".tgz", ".gz", ".bz2", ".xz", ".zip"))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """An image file of a source."""

    scene: str
    """Id of the scene: path relative to the source, with `/`."""
    path: Path
    stat: str
    """`size:mtime_ns`; empty when the file cannot be looked at."""
    fault: str | None = None
    """Why it cannot be indexed, where its name alone forbids that."""


class Source:
    """A folder of images, scanned recursively; hidden files and folders are passed by."""

    def __init__(self, folder: Path) -> None:
        """Raises SourceError when it is not a folder."""
        self.folder = folder.absolute()
        self.others = 0
        """Files that the last scan passed by because they are no images."""
        if folder.is_file():
            advice = "extract it first" if folder.suffix.lower() in _ARCHIVES else "give its folder"
            raise SourceError(f"{folder} is a file, not a folder of images; {advice}")
        if not folder.is_dir():
            raise SourceError(f"{folder}: there is no such folder; check the path")
        if _spelled(str(self.folder)) != str(self.folder):
            raise SourceError(f"{_spelled(str(folder))}: the path is not UTF-8; rename the folder")

    def files(self) -> Iterator[SourceFile]:
        """Every image file, ordered by scene; memory grows with the largest folder alone.

        Links are followed, except to a folder that one is in already. Raises SourceError at a
        folder that cannot be listed: to leave it out would look as if its images were deleted.
        """
        self.others = 0
        above = [_place(self.folder)]
        stack = [_listing(self.folder, "")]
        while stack:
            for entry, scene in stack[-1]:
                if entry.is_dir():
                    place = _place(Path(entry.path))
                    if place not in above:
                        above.append(place)
                        stack.append(_listing(Path(entry.path), scene))
                        break
                elif _is_image(entry):
                    yield _source_file(entry, scene)
                else:
                    self.others += 1
            else:
                stack.pop()
                above.pop()


def _listing(folder: Path, prefix: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Entries of a folder with their scene ids (a folder's ends with `/`), in order of these."""
    try:
        with os.scandir(folder) as entries:
            listed = [
                (entry, f"{prefix}{_spelled(entry.name)}{'/' if entry.is_dir() else ''}")
                for entry in entries
                if not entry.name.startswith(".")
            ]
    except OSError as error:
        raise SourceError(
            f"{_spelled(str(folder))} cannot be listed ({error.strerror}); permit reading it, or "
            "move it out of the source"
        ) from error
    return iter(sorted(listed, key=lambda item: item[1]))


def _place(folder: Path) -> tuple[int, int]:
    try:
        found = folder.stat()
    except OSError as error:
        raise SourceError(
            f"{_spelled(str(folder))} cannot be opened ({error.strerror}); permit reading it"
        ) from error
    return found.st_dev, found.st_ino


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Whether it is named like an image, and is a file or a link to nothing."""
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES:  # noqa: PTH122  (hot)
        return False
    return entry.is_file() or not Path(entry.path).exists()


def _source_file(entry: os.DirEntry[str], scene: str) -> SourceFile:
    try:
        found = entry.stat()
        stat = f"{found.st_size}:{found.st_mtime_ns}"
    except OSError:
        stat = ""
    plain = _spelled(entry.path) == entry.path
    fault = None if plain else "its path is not UTF-8; rename it"
    return SourceFile(scene, Path(entry.path), stat, fault)


def _spelled(name: str) -> str:
    """The name, with bytes that are not UTF-8 written out as `\\xe9`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
