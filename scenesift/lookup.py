"""Entries by the names that people use, and what an entry is shown by."""

from __future__ import annotations

from collections.abc import Sequence

from query_service.answer import Answer
from query_service.request import RequestError
from query_service.shown import captions, thumbnail
from scenesift.results import Result
from scenestore.entry import scene_of
from scenestore.generation import Generation


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
    first = captions(generation, [scene_of(hit.entry.identity) for hit in answer.hits])
    return [
        Result(
            hit,
            hit.entry.caption or first.get(scene_of(hit.entry.identity)),
            thumbnail(generation, hit.key, hit.entry) if thumbnails else None,
        )
        for hit in answer.hits
    ]
