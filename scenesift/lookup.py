"""Entries by the names that people use, and what an entry is shown by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from query_service.answer import Answer
from query_service.request import RequestError
from scenesift.results import Result
from scenestore import keys as key_space
from scenestore.entry import Entry, Identity
from scenestore.filters import ANY, Filter
from scenestore.generation import Generation

Scene = tuple[str, str]
"""Collection and name."""

_SCENES_A_PAGE = 200
_CAPTIONS_A_SCENE = 50
"""More are not looked at for the first."""


def entry_id(generation: Generation, name: str, collections: Sequence[str]) -> str:
    """The id of the entry meant by an id, or by the name of a scene in one of the collections.

    Raises RequestError when no chip, or more than one, has that name.
    """
    if generation.documents.lookup(name) is not None:
        return name
    scenes = [(collection, name) for collection in collections]
    found = [
        identity
        for identities in generation.documents.identities(scenes).values()
        for identity in identities
        if identity.kind == "chip"
    ]
    if not found:
        raise RequestError(
            f"no entry has the id or scene {name!r}; take one from the hits of a search"
        )
    if len(found) > 1:
        raise RequestError(
            f"{len(found)} chips belong to scenes named {name!r}; give the id of one, "
            f"such as {found[0].id}"
        )
    return found[0].id


def results(generation: Generation, answer: Answer, thumbnails: bool) -> list[Result]:
    """The hits with the captions, and if asked for the thumbnails, that they are shown by."""
    captions = _captions(generation, [_scene(hit.entry) for hit in answer.hits])
    return [
        Result(
            hit,
            hit.entry.caption or captions.get(_scene(hit.entry)),
            thumbnail(generation, hit.key, hit.entry) if thumbnails else None,
        )
        for hit in answer.hits
    ]


def thumbnail(generation: Generation, key: int, entry: Entry) -> bytes | None:
    """The JPEG of an entry; None where there is none."""
    if entry.thumbnail is None:
        return None
    ordinal = int(key_space.ordinals(np.array([key]))[0])
    return generation.batch(ordinal).thumbnail(entry.thumbnail)


def _captions(generation: Generation, scenes: Sequence[Scene]) -> dict[Scene, str]:
    """The first caption of each scene that has one."""
    documents = generation.documents
    distinct = list(dict.fromkeys(scenes))
    first: dict[Scene, tuple[int, str]] = {}
    for start in range(0, len(distinct), _SCENES_A_PAGE):
        page = tuple(distinct[start : start + _SCENES_A_PAGE])
        limit = _CAPTIONS_A_SCENE * len(page)
        keys = documents.keys("caption", Filter(scenes=page), limit)
        for entry in documents.fetch("caption", keys.tolist(), ANY).values():
            scene, number = _scene(entry), _number(entry.identity)
            if entry.caption and (scene not in first or number < first[scene][0]):
                first[scene] = number, entry.caption
    return {scene: caption for scene, (_, caption) in first.items()}


def _number(identity: Identity) -> int:
    return identity.part if isinstance(identity.part, int) else 0


def _scene(entry: Entry) -> Scene:
    return entry.identity.collection, entry.identity.scene
