"""From embedded scenes to what goes into a batch folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.coding import coded
from indexer.scene import EmbeddedScene
from scenestore.batch import BatchContent, CodedEntries
from scenestore.entry import Entry, Identity, Kind, scene_of
from scenestore.generation import Generation

Row = tuple[Entry, NDArray[np.float32]]
"""An entry and its vector [d]."""


def without_deleted(
    generation: Generation, scenes: Sequence[EmbeddedScene]
) -> tuple[list[EmbeddedScene], list[EmbeddedScene]]:
    """The scenes to write, and those that were deleted on request since their change was found.

    The latter have what was decided of them as their outcome, and no vectors.
    """
    found = generation.documents.outcomes_of([scene_of(scene.outcome) for scene in scenes])
    kept: list[EmbeddedScene] = []
    deleted: list[EmbeddedScene] = []
    for scene in scenes:
        now = found.get(scene_of(scene.outcome))
        if now is not None and now.status == "skipped" and not scene.read.restores:
            deleted.append(EmbeddedScene(scene.read, now))
        else:
            kept.append(scene)
    return kept, deleted


def batch_content(
    generation: Generation,
    ordinal: int,
    plan: str,
    scenes: Sequence[EmbeddedScene],
    *,
    deleted: Sequence[EmbeddedScene] = (),
    again: bool = False,
) -> BatchContent:
    """The batch of these scenes: entries, outcomes, and tombstones of what they no longer have.

    `again` tells that an attempt before may have written entries of them and died: no scene is then
    taken to be new. Entries that it left of `deleted` scenes are taken out as well.
    """
    rows: dict[Kind, list[Row]] = {"chip": [], "caption": []}
    thumbnails: list[bytes] = []
    for scene in scenes:
        if scene.chip is None:
            continue
        rows["chip"].append((_chip(scene, len(thumbnails)), scene.chip))
        rows["caption"] += zip(_captions(scene, len(thumbnails)), scene.captions, strict=True)
        thumbnails.append(scene.read.thumbnail)
    parts: dict[Kind, CodedEntries] = {
        kind: coded(
            generation.bundle,
            kind,
            [entry for entry, _ in found],
            np.stack([vector for _, vector in found]),
        )
        for kind, found in rows.items()
        if found
    }
    written = {entry.identity for found in rows.values() for entry, _ in found}
    return BatchContent(
        ordinal=ordinal,
        plan=plan,
        bundle=generation.bundle.digest,
        parts=parts,
        outcomes=[scene.outcome for scene in scenes],
        tombstones=[
            known for known in _replaced(generation, scenes, deleted, again) if known not in written
        ],
        thumbnails=thumbnails,
    )


def _chip(scene: EmbeddedScene, thumbnail: int) -> Entry:
    who = scene.outcome
    return Entry(
        Identity("chip", who.collection, who.scene),
        source=who.scene,
        thumbnail=thumbnail,
        metadata=scene.read.text.metadata,
    )


def _captions(scene: EmbeddedScene, thumbnail: int) -> list[Entry]:
    who = scene.outcome
    return [
        Entry(
            Identity("caption", who.collection, who.scene, number),
            source=who.scene,
            caption=caption,
            thumbnail=thumbnail,
            metadata=scene.read.text.metadata,
        )
        for number, caption in enumerate(scene.read.text.captions)
    ]


def _replaced(
    generation: Generation,
    scenes: Sequence[EmbeddedScene],
    deleted: Sequence[EmbeddedScene],
    again: bool,
) -> list[Identity]:
    """Live identities of the scenes whose entries do not stay as they are."""
    changed = [scene for scene in scenes if (not scene.read.keeps if scene.read.known else again)]
    replaced = [scene_of(scene.outcome) for scene in [*changed, *deleted]]
    if not replaced:
        return []
    found = generation.documents.identities(replaced)
    return [identity for identities in found.values() for identity in identities]
