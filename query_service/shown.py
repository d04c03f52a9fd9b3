"""What an entry is shown by: its thumbnail, and a sentence about its scene."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scenestore import keys as key_space
from scenestore.entry import Entry, Identity, Scene
from scenestore.generation import Generation

_FIRST = 0
"""Number of a scene's first caption."""


def thumbnail(generation: Generation, key: int, entry: Entry) -> bytes | None:
    """The JPEG of an entry; None where there is none."""
    if entry.thumbnail is None:
        return None
    ordinal = int(key_space.ordinals(np.array([key]))[0])
    return generation.batch(ordinal).thumbnail(entry.thumbnail)


def captions(
    generation: Generation, scenes: Iterable[Scene], missing: list[str] | None = None
) -> dict[Scene, str]:
    """The first caption of each scene that has one, by one request: what its id is, is known.

    With `missing`, what fails is left out and said there.
    """
    if not len(generation.reader.segments("caption")):
        return {}  # nothing to ask the engine for
    documents = generation.documents if missing is None else generation.documents.tolerant(missing)
    ids = {Identity("caption", *scene, _FIRST).id: scene for scene in scenes}
    found = documents.lookup_all(list(ids), ["caption"])
    return {ids[id]: one.entry.caption for id, one in found.items() if one.entry.caption}
