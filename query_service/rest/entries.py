"""`/entries` and `/scenes`: what is known of an entry or a scene, and its pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from query_service.archive import Held
from query_service.errors import NotFoundError
from query_service.pictures import chip_of, jpeg
from query_service.problem import responses
from query_service.rest.representations import spelt
from query_service.rest.told import EntryTold, Json, entry_json
from query_service.service import Service, ServiceOf
from query_service.shown import captions, thumbnail
from scenestore.entry import KINDS, Entry, Status, scene_of
from scenestore.filters import ANY, Filter
from scenestore.ports import Found

router = APIRouter(tags=["entries"])

JPEG = "image/jpeg"
_MOST_ENTRIES = 1_000
"""Of a kind, that are given with their scene."""
_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A JPEG.",
        "content": {JPEG: {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "It is the one that the client has."},
    **responses(404),
}

IdOf = Annotated[str, Path(description="Id of an entry, from the hits of a search.")]


class SceneTold(BaseModel):
    """What became of a scene, and its entries."""

    collection: str
    scene: str
    status: Status
    reason: str | None = Field(description="Why it was skipped or failed.")
    entries: list[EntryTold] = Field(description="At most 1,000 of a kind.")


@router.get(
    "/entries/{id}",
    responses={200: {"model": EntryTold}, **responses(404)},
    response_class=Response,
)
async def entry(id: IdOf, service: ServiceOf) -> Response:
    """An entry with all that is known of it."""

    def work() -> bytes:
        with service.archive.held() as held:
            return spelt(_told(held, _found(held, id).entry))

    return Response(await service.work.run(work), media_type="application/json")


@router.get("/entries/{id}/thumbnail", responses=_PICTURE, response_class=Response)
async def entry_thumbnail(id: IdOf, request: Request, service: ServiceOf) -> Response:
    """The thumbnail of an entry, no side longer than 128 pixels."""
    return await _picture(
        service, request, id, lambda held, found: (_thumbnail(held, found), False)
    )


@router.get("/entries/{id}/chip", responses=_PICTURE, response_class=Response)
async def entry_chip(id: IdOf, request: Request, service: ServiceOf) -> Response:
    """The pixels of an entry, no side longer than 1,024, where the service reaches its file.

    Elsewhere the thumbnail, which the header Content-Location then names.
    """
    most = service.settings.image_pixels

    def chip(held: Held, found: Found) -> tuple[bytes, bool]:
        scene = service.archive.scene_pixels(found.entry, most)
        if scene is None:
            return _thumbnail(held, found), True
        return jpeg(chip_of(scene, found.entry.identity)), False

    return await _picture(service, request, id, chip)


@router.get(
    "/scenes/{collection}/{scene:path}",
    responses={200: {"model": SceneTold}, **responses(404)},
    response_class=Response,
)
async def scene(collection: str, scene: str, service: ServiceOf) -> Response:
    """A scene by its collection and name, whatever became of it, with its entries."""

    def work() -> bytes:
        with service.archive.held() as held:
            return spelt(_scene(held, collection, scene))

    return Response(await service.work.run(work), media_type="application/json")


async def _picture(
    service: Service,
    request: Request,
    id: str,
    draw: Callable[[Held, Found], tuple[bytes, bool]],
) -> Response:
    """A picture of an entry; `draw` says too whether the thumbnail stands for it."""
    known = request.headers.get("if-none-match")

    def work() -> tuple[bytes | None, bool, str]:
        with service.archive.held() as held:
            found = _found(held, id)
            tag = f'"{held.name}-{found.key}"'
            return (None, False, tag) if _has(known, tag) else (*draw(held, found), tag)

    content, is_thumbnail, tag = await service.work.run(work)
    headers = {"ETag": tag}
    if content is None:
        return Response(status_code=304, headers=headers)
    if is_thumbnail:
        headers["Content-Location"] = f"/entries/{id}/thumbnail"
    return Response(content, media_type=JPEG, headers=headers)


def _has(known: str | None, tag: str) -> bool:
    """Whether If-None-Match names the tag: in a list, as weak as a proxy made it, or as any."""
    tags = {each.strip().removeprefix("W/") for each in (known or "").split(",")}
    return not tags.isdisjoint((tag, "*"))


def _found(held: Held, id: str) -> Found:
    found = held.generation.documents.lookup(id) if _ID.fullmatch(id) else None
    if found is None:
        raise NotFoundError(f"no entry has the id {id[:80]!a}; take one from the hits of a search")
    return found


def _thumbnail(held: Held, found: Found) -> bytes:
    content = thumbnail(held.generation, found.key, found.entry)
    if content is None:
        raise NotFoundError(f"the entry {found.entry.identity.id} has no thumbnail")
    return content


def _told(held: Held, entry: Entry) -> Json:
    scene = scene_of(entry.identity)
    return entry_json(entry, entry.caption or captions(held.generation, [scene]).get(scene))


def _scene(held: Held, collection: str, name: str) -> Json:
    documents, scene = held.generation.documents, (collection, name)
    outcome = documents.outcomes_of([scene]).get(scene)
    if outcome is None or outcome.status == "deleted":
        raise NotFoundError(
            f"collection {collection[:80]!a} has no scene {name[:200]!a}; take its name from a hit"
        )
    entries: list[Entry] = []
    for kind in KINDS:
        keys = documents.keys(kind, Filter(scenes=(scene,)), _MOST_ENTRIES)
        entries += documents.fetch(kind, keys.tolist(), ANY).values()
    caption = captions(held.generation, [scene]).get(scene)
    return {
        "collection": collection,
        "scene": name,
        "status": outcome.status,
        "reason": outcome.reason,
        "entries": [entry_json(entry, entry.caption or caption) for entry in entries],
    }
