"""Rebuild: log and documents again from the batch folders, without touching a pixel."""

from __future__ import annotations

from indexer.progress import Meter, Progress
from indexer.resume import is_begun
from scenestore.errors import StoreError
from scenestore.generation import Generation, logged


def rebuild(generation: Generation, progress: Progress | None = None) -> int:
    """Project every batch anew, and restore the log where it was lost; returns how many there are.

    Searches see the old documents until the new ones are whole. Every file is compared with its
    digest first: DamagedError before anything is changed. Only for who holds the writer's lock.
    """
    generation.remove_drafts()
    _restore_log(generation)
    ordinals = [batch.ordinal for batch in generation.log.batches()]
    meter = Meter(2 * len(ordinals), progress)
    for ordinal in ordinals:
        generation.batch(ordinal).verify()
        meter.add(1)
    documents = generation.documents
    documents.reset()
    for ordinal in ordinals:
        documents.write(generation.batch(ordinal))
        meter.add(1)
    documents.swap()
    documents.refresh()
    return len(ordinals)


def _restore_log(generation: Generation) -> None:
    """Begin the log if it was lost, and append every durable batch that it lacks."""
    if not is_begun(generation):
        newest = max((batch.ordinal for batch in generation.folders()), default=None)
        if newest is None:
            raise StoreError(
                f"{generation.store} holds no batches to rebuild from; restore them from a backup, "
                "or index again"
            )
        generation.reader.remember(generation.log.create(generation.bundle.digest))
        generation.log.reserve(newest)
    for batch in generation.unfinished():
        batch.verify()
        generation.reader.remember(generation.log.append(logged(batch)))
