"""Delete: take scenes out of the archive for good, whatever their folder still holds."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from indexer.collection import DEFAULT, collection_names
from indexer.errors import NotFoundError
from indexer.resume import is_begun, resume
from indexer.runs import Runs
from scenestore.batch import BatchContent
from scenestore.entry import Identity, Scene, SceneOutcome, scene_of
from scenestore.errors import StoreError
from scenestore.generation import Generation
from scenestore.ports import Ledger

REASON = "deleted on request"
_ROUNDS = 20
"""Bound on writing the same deletion; each round after the second met another writer's entries."""


def delete(
    generation: Generation, ledger: Ledger, targets: Sequence[str], collection: str | None = None
) -> list[Scene]:
    """Take out the scenes that targets name; see `named_scenes` and `take_out`."""
    scenes = named_scenes(generation, ledger, targets, collection)
    take_out(generation, scenes)
    return scenes


def named_scenes(
    generation: Generation, ledger: Ledger, targets: Sequence[str], collection: str | None = None
) -> list[Scene]:
    """The scenes that targets name, by scene id or by the id of one of their entries, each once.

    Raises NotFoundError when a target names no scene, or several. Only for who holds the writer's
    lock.
    """
    if not is_begun(generation):
        raise NotFoundError("nothing is indexed yet, so there is nothing to delete")
    if not Runs(ledger).open():  # a worker's unfinished batch is its own to finish
        resume(generation)
    names = [collection] if collection else collection_names(ledger) or [DEFAULT]
    return list(dict.fromkeys(_scene(generation, target, names) for target in targets))


def take_out(generation: Generation, scenes: Sequence[Scene]) -> None:
    """Write that the scenes are out, until none of their entries is live; safe to repeat.

    They stay out when their folder is indexed again, until `index(..., retry=("skipped",))`.
    A worker may be writing a scene at this moment. Whichever of us writes the outcome of the scene
    last sees what the other wrote: it takes its own entries out again, or we find them here. The
    second batch is for a worker that claimed its ordinal after the first, and looked for our
    outcomes before they were there.
    """
    if not scenes:
        return
    plan = f"delete-{secrets.token_hex(6)}"
    identities = generation.documents.identities(scenes)
    for number in range(_ROUNDS):
        content = BatchContent(
            ordinal=generation.log.claim(),
            plan=f"{plan}-{number}",
            bundle=generation.bundle.digest,
            parts={},
            outcomes=[SceneOutcome(*scene, "skipped", REASON) for scene in scenes],
            tombstones=_flat(identities.values()),
        )
        generation.publish(content)
        identities = generation.documents.identities(scenes)
        if number and not identities:
            return
    raise StoreError(
        f"{len(identities)} of the scenes are written again and again by others; delete them when "
        "their run has ended"
    )


def _scene(generation: Generation, target: str, collections: Sequence[str]) -> Scene:
    found = generation.documents.lookup(target)
    if found is not None:
        identity = found.entry.identity
        return scene_of(identity)
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
