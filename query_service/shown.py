"""What an entry is shown by: its thumbnail, and a sentence about its scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenestore import keys as key_space
from scenestore.entry import Entry, Identity
from scenestore.filters import ANY, Filter
from scenestore.generation import Generation

Scene = tuple[str, str]
"""Collection and name."""

_SCENES_A_PAGE = 200
_CAPTIONS_A_SCENE = 50
"""More are not looked at for the first."""


def thumbnail(generation: Generation, key: int, entry: Entry) -> bytes | None:
    """The JPEG of an entry; None where there is none."""
    if entry.thumbnail is None:
        return None
    ordinal = int(key_space.ordinals(np.array([key]))[0])
    return generation.batch(ordinal).thumbnail(entry.thumbnail)


def captions(generation: Generation, scenes: Sequence[Scene]) -> dict[Scene, str]:
    """The first caption of each scene that has one."""
    if not len(generation.reader.segments("caption")):
        return {}  # nothing to ask the engine for
    documents = generation.documents
    distinct = list(dict.fromkeys(scenes))
    first: dict[Scene, tuple[int, str]] = {}
    for start in range(0, len(distinct), _SCENES_A_PAGE):
        page = tuple(distinct[start : start + _SCENES_A_PAGE])
        limit = _CAPTIONS_A_SCENE * len(page)
        keys = documents.keys("caption", Filter(scenes=page), limit)
        for entry in documents.fetch("caption", keys.tolist(), ANY).values():
            scene, number = scene_of(entry), _number(entry.identity)
            if entry.caption and (scene not in first or number < first[scene][0]):
                first[scene] = number, entry.caption
    return {scene: caption for scene, (_, caption) in first.items()}


def _number(identity: Identity) -> int:
    return identity.part if isinstance(identity.part, int) else 0


def scene_of(entry: Entry) -> Scene:
    """The scene that an entry is of."""
    return entry.identity.collection, entry.identity.scene
