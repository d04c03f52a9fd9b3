"""Scenes on their way into a batch: read, then embedded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexer.captions import SceneText
from indexer.changes import Change, fingerprint
from indexer.errors import ImageError
from indexer.images import read_file, read_image, thumbnail
from scenestore.entry import SceneOutcome
from sgpd.errors import EncoderError


@dataclass(frozen=True, slots=True)
class ReadScene:
    """A changed scene, its file read and decoded."""

    outcome: SceneOutcome
    """What becomes of it, if it can be encoded as well."""
    text: SceneText
    known: bool
    """Whether the archive may hold entries of it."""
    keeps: bool = False
    """Whether those entries stay as they are."""
    restores: bool = False
    """Whether it had been deleted on request before, and was asked for again."""
    chip: NDArray[np.uint8] | None = None
    """Shape [s, s, 3], as the encoder takes it; None when nothing is to be encoded."""
    thumbnail: bytes = b""


@dataclass(frozen=True, slots=True)
class EmbeddedScene:
    """A scene with its vectors; without any where nothing could be or had to be encoded."""

    read: ReadScene
    outcome: SceneOutcome
    """What becomes of it."""
    chip: NDArray[np.float32] | None = None
    """Shape [d]."""
    captions: tuple[NDArray[np.float32], ...] = ()
    """Each of shape [d]."""


class SceneReader:
    """Reads scenes of one collection; safe to share among threads."""

    def __init__(
        self,
        collection: str,
        prepare: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
        max_pixels: int,
    ) -> None:
        """`prepare` is the encoder's."""
        self._collection = collection
        self._prepare = prepare
        self._max_pixels = max_pixels

    def read(self, change: Change) -> ReadScene:
        """Read, decode and prepare the image of a changed scene; a fault becomes its outcome."""
        read = self._read(change)
        before = change.before
        return replace(read, restores=before is not None and before.status == "skipped")

    def _read(self, change: Change) -> ReadScene:
        file, before, text = change.file, change.before, change.text
        outcome = SceneOutcome(self._collection, change.scene, "failed")
        if file is None:
            return ReadScene(replace(outcome, status="deleted"), text, known=True)
        known = before is not None
        outcome = replace(outcome, stat=file.stat, fingerprint=fingerprint(None, text))
        fault = file.fault or text.fault
        if fault is not None:
            return ReadScene(replace(outcome, reason=fault), text, known)
        try:
            content = read_file(file.path)
        except ImageError as error:
            return ReadScene(replace(outcome, reason=str(error)), text, known)
        except OSError as error:
            # The file may be whole again tomorrow: what was made of it stays, and without a stat
            # it is tried again by the next run.
            unread = replace(
                before or outcome,
                status="failed",
                reason=f"cannot be read: {error.strerror}; permit reading it, or remove it",
                stat="",
            )
            return ReadScene(unread, text, known, keeps=True)
        outcome = replace(outcome, fingerprint=fingerprint(content, text))
        if before and before.status == "indexed" and before.fingerprint == outcome.fingerprint:
            return ReadScene(replace(before, stat=file.stat), text, known, keeps=True)
        try:
            pixels = read_image(content, self._max_pixels)
            chip = self._prepare(pixels)
        except (ImageError, EncoderError) as error:
            return ReadScene(replace(outcome, reason=str(error)), text, known)
        indexed = replace(outcome, status="indexed", chips=1, captions=len(text.captions))
        return ReadScene(indexed, text, known, chip=chip, thumbnail=thumbnail(pixels, content))
