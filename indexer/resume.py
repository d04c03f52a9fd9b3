"""Resume: what a writer that died left behind is brought to its end."""

from __future__ import annotations

from collections.abc import Iterable

from indexer.runs import run_of
from scenestore.errors import StoreError
from scenestore.generation import Generation


def resume(generation: Generation, runs: Iterable[str] = ()) -> int:
    """Complete every durable batch that the log lacks; returns how many there were.

    But for those of `runs` that are open: their workers finish them, or make them again.
    Half-written folders are removed: only for who holds the writer's lock. Afterwards everything
    that was written is visible.
    """
    generation.remove_drafts()
    theirs = set(runs)
    unfinished = [one for one in generation.unfinished() if run_of(one.plan) not in theirs]
    for batch in unfinished:
        batch.verify()
        generation.complete(batch)
    generation.documents.refresh()
    return len(unfinished)


def is_begun(generation: Generation) -> bool:
    """Whether the generation has a log; StoreError when that is of another bundle."""
    if not generation.log.exists():
        return False
    found, ours = generation.log.head().bundle, generation.bundle.digest
    if found != ours:
        raise StoreError(
            f"generation {generation.log.generation} was made with bundle {found}, not {ours}; "
            "use that bundle, or rebuild with this one"
        )
    return True
