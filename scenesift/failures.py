"""The scenes that could not be indexed, one process or workers alike: their outcomes say why."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from indexer.collection import known_collection
from indexer.errors import CollectionError, NotFoundError
from indexer.planner import ended_workers
from indexer.progress import Progress
from indexer.summary import Summary
from scenesift.archive import Archive
from scenesift.distributed import index_with_workers
from scenestore.entry import SceneOutcome, scene_of
from sgpd.say import Say, silent


def failed_scenes(
    archive: Archive,
    names: Sequence[str] = (),
    collection: str | None = None,
    *,
    dead: bool = False,
) -> list[SceneOutcome]:
    """Outcomes of the scenes that failed, by collection and scene; of those names only, if any.

    `dead`: of those that ended workers. Raises NotFoundError for a name that is not among them.
    """
    outcomes = archive.generation.documents.outcomes(collection)
    failed = [
        outcome
        for outcome in outcomes
        if outcome.status == "failed" and (ended_workers(outcome) or not dead)
    ]
    missing = set(names) - {outcome.scene for outcome in failed}
    if missing:
        raise NotFoundError(
            f"{min(missing)!r} is not among the scenes that failed; see `scenesift failed list`"
        )
    return [outcome for outcome in failed if not names or outcome.scene in names]


def facts(archive: Archive, outcome: SceneOutcome) -> dict[str, Any]:
    """What is known of a scene that failed."""
    known = known_collection(archive.engine.ledger, outcome.collection)
    return {
        "collection": outcome.collection,
        "scene": outcome.scene,
        "reason": outcome.reason,
        "file": str(known.source / outcome.scene) if known else None,
        "still_found": bool(archive.generation.documents.identities([scene_of(outcome)])),
    }


def retry(
    archive: Archive,
    names: Sequence[str] = (),
    collection: str | None = None,
    *,
    distributed: bool = False,
    progress: Progress | None = None,
    say: Say = silent,
) -> list[Summary]:
    """Index again what failed, or those names of it; a summary for each collection."""
    summaries: list[Summary] = []
    failed = failed_scenes(archive, names, collection)
    for name, outcomes in groupby(failed, lambda outcome: outcome.collection):
        given: dict[str, Any] = {
            "collection": name,
            "retry": ("failed",),
            "only": [outcome.scene for outcome in outcomes],
            "progress": progress,
        }
        source = _source(archive, name)
        if distributed:
            summaries.append(index_with_workers(archive, source, **given, say=say))
        else:
            summaries.append(archive.index(source, **given))
    return summaries


def _source(archive: Archive, collection: str) -> Path:
    known = known_collection(archive.engine.ledger, collection)
    if known is None:
        raise CollectionError(
            f"the folder of collection {collection} is not known any more; run `scenesift index "
            f"SOURCE --collection {collection} --retry-failed`"
        )
    return known.source
