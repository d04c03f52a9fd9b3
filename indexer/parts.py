"""Cutting a run's changes into parts of a batch each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from indexer.changes import Change

_PARTS = 32
_SMALLEST_BATCH = 128
"""A run is cut into so many batches, unless they were to have fewer scenes than this, or more than
the settings say."""


def parts_of(
    changes: Iterable[Change], run_scenes: int, most_scenes: int, most_entries: int
) -> Iterator[list[Change]]:
    """The changes in parts of a batch each, none of more scenes or entries than that.

    Smaller ones where the run, of `run_scenes`, is small, so that there are some for each worker.
    """
    even = max(_SMALLEST_BATCH, -(-run_scenes // _PARTS))
    most_scenes = min(most_scenes, even)
    part: list[Change] = []
    entries = 0
    for change in changes:
        part.append(change)
        entries += 1 + len(change.text.captions)
        if len(part) >= most_scenes or entries >= most_entries:
            yield part
            part, entries = [], 0
    if part:
        yield part
