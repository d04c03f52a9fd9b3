"""Delete: take scenes out of the archive for good, whatever their folder still holds."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from indexer.collection import DEFAULT, collection_names
from indexer.errors import NotFoundError
from indexer.resume import is_begun, resume
from scenestore.batch import BatchContent
from scenestore.entry import Identity, SceneOutcome
from scenestore.generation import Generation
from scenestore.ports import Ledger

REASON = "deleted on request"

Scene = tuple[str, str]
"""Collection and scene."""


def delete(
    generation: Generation, ledger: Ledger, targets: Sequence[str], collection: str | None = None
) -> list[Scene]:
    """Take out the scenes that targets name, by scene id or by the id of one of their entries.

    They stay out when their folder is indexed again, until `index(..., retry=("skipped",))`.
    Returns the scenes, each once. Raises NotFoundError, and deletes nothing, when a target names no
    scene, or several. Only for who holds the writer's lock.
    """
    if not is_begun(generation):
        raise NotFoundError("nothing is indexed yet, so there is nothing to delete")
    resume(generation)
    names = [collection] if collection else collection_names(ledger) or [DEFAULT]
    scenes = list(dict.fromkeys(_scene(generation, target, names) for target in targets))
    if not scenes:
        return []
    identities = generation.documents.identities(scenes)
    content = BatchContent(
        ordinal=generation.log.claim(),
        plan=f"delete-{secrets.token_hex(6)}",
        bundle=generation.bundle.digest,
        parts={},
        outcomes=[SceneOutcome(*scene, "skipped", REASON) for scene in scenes],
        tombstones=_flat(identities.values()),
    )
    generation.publish(content)
    generation.documents.refresh()
    return scenes


def _scene(generation: Generation, target: str, collections: Sequence[str]) -> Scene:
    found = generation.documents.lookup(target)
    if found is not None:
        identity = found.entry.identity
        return identity.collection, identity.scene
    candidates = list(generation.documents.identities([(name, target) for name in collections]))
    if not candidates:
        raise NotFoundError(
            f"{target!r} is neither a scene nor an entry of the archive; nothing was deleted: "
            "give the scene or the id that a search shows"
        )
    if len(candidates) > 1:
        inside = ", ".join(name for name, _ in candidates)
        raise NotFoundError(
            f"{target!r} is in several collections ({inside}); nothing was deleted: name one"
        )
    return candidates[0]


def _flat(groups: Iterable[Sequence[Identity]]) -> list[Identity]:
    return [identity for group in groups for identity in group]
