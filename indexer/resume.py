"""Resume: what a writer that died left behind is brought to its end."""

from __future__ import annotations

from scenestore.generation import Generation


def resume(generation: Generation) -> int:
    """Complete every durable batch that the log lacks; returns how many there were.

    Half-written folders are removed: only for who holds the writer's lock. Afterwards everything
    that was written is visible.
    """
    generation.remove_drafts()
    unfinished = generation.unfinished()
    for batch in unfinished:
        batch.verify()
        generation.complete(batch)
    generation.documents.refresh()
    return len(unfinished)
