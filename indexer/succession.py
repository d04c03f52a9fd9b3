"""Succession: what one generation holds is brought over into another, as often as asked."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Self

from indexer.differences import differences
from indexer.errors import DifferenceError
from indexer.pipeline import closing_pool
from indexer.progress import Meter, Progress
from indexer.replay import Remainder, Replay
from indexer.summary import examples
from scenestore.batch import Batch, BatchContent
from scenestore.compaction import compact
from scenestore.entry import scene_of
from scenestore.generation import Generation
from scenestore.log import LoggedBatch, is_brought

Bring = Callable[[Batch, Remainder, str], BatchContent]
"""Makes a batch of the new generation from what is left of an old one, under the name of a plan."""

_EXAMPLES = 3


class Succession:
    """Brings batch after batch of one generation into another; what was brought stays brought.

    What is live is told by the log alone: documents may be ahead of it while others write. Use it
    as a context manager; only one at a time may bring into a generation.
    """

    def __init__(self, old: Generation, new: Generation, bring: Bring) -> None:
        self._old = _Followed(old)
        self._new = _Followed(new)
        self._bring = bring
        self._is_prepared = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._old.close()
        self._new.close()

    def carry(self, progress: Progress | None = None) -> int:
        """Bring over what the new generation lacks; returns how many batches that were.

        Begun again after a crash, it goes on with the batch that was missing.
        """
        new = self._new.generation
        if not self._is_prepared:
            self._prepare()
        done = {origin(new, batch) for batch in self._new.follow()}
        old = self._old.generation
        missing = [one for one in self._old.follow() if origin(old, one) not in done]
        meter = Meter(len(missing), progress)
        writing: Future[None] | None = None
        with closing_pool(1) as writer:
            for logged in missing:
                content = self._brought(logged)
                if writing is not None:
                    writing.result()
                    meter.add(1)
                writing = writer.submit(self._publish, content)
            if writing is not None:
                writing.result()
                meter.add(1)
        new.documents.refresh()
        return len(missing)

    def _prepare(self) -> None:
        """Complete what whoever began it and died left: only once, as all of a store is listed."""
        new = self._new.generation
        new.create()
        new.remove_drafts()
        for batch in new.unfinished():
            if is_brought(batch.plan):
                batch.verify()
                new.complete(batch)
        self._is_prepared = True

    def retry(self) -> int:
        """Bring over once more the scenes that the new generation lacks; returns how many.

        Such as images that could not be read. Only where they are made from their images.
        """
        self._new.follow()
        found = differences(self._old.replay.indexed(), self._new.replay.indexed())
        lacking = {scene for is_lacking, scene in found if is_lacking}
        old = self._old.generation
        for logged in old.log.batches() if lacking else ():
            batch = old.batch(logged.ordinal)
            outcomes = [
                one
                for one in self._old.replay.remainder(batch).outcomes
                if scene_of(one) in lacking
            ]
            if outcomes:
                plan = f"{origin(old, logged)}-again-{secrets.token_hex(4)}"
                self._publish(self._bring(batch, Remainder({}, outcomes, []), plan))
        self._new.generation.documents.refresh()
        return len(lacking)

    def check(self) -> None:
        """Raise DifferenceError where not the same scenes can be found in both generations."""
        self._new.follow()
        lacking: list[str] = []
        extra: list[str] = []
        counts = {True: 0, False: 0}
        for is_lacking, scene in differences(
            self._old.replay.indexed(), self._new.replay.indexed()
        ):
            named = lacking if is_lacking else extra
            counts[is_lacking] += 1
            if len(named) < _EXAMPLES:
                named.append("/".join(scene))
        if not any(counts.values()):
            return
        old, new = self._old.generation.log.generation, self._new.generation.log.generation
        parts = [
            f"{one} has {count:,} scenes that {other} has not ({examples(named, count)})"
            for one, other, count, named in (
                (old, new, counts[True], lacking),
                (new, old, counts[False], extra),
            )
            if count
        ]
        raise DifferenceError(
            f"{'; '.join(parts)}; nothing was switched: bring {new} and the collections in step "
            f"(`scenesift index`, `scenesift delete`), or drop {new} and create another"
        )

    def _brought(self, logged: LoggedBatch) -> BatchContent:
        old = self._old.generation
        batch = old.batch(logged.ordinal)
        batch.verify()
        left = self._old.replay.remainder(batch)
        stale = [who for who in left.tombstones if self._new.replay.holds(who.id)]
        return self._bring(batch, replace(left, tombstones=stale), origin(old, logged))

    def _publish(self, content: BatchContent) -> None:
        new = self._new.generation
        new.publish(content)
        while compact(new):
            pass


class _Followed:
    """A generation with its log replayed."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.replay = Replay()
        self._added: set[int] = set()

    def follow(self) -> list[LoggedBatch]:
        """Replay what the log got since; returns all of it."""
        batches = list(self.generation.log.batches())
        if not self._added <= {batch.ordinal for batch in batches}:
            self.close()  # an attempt gave way to a later one
            self.replay, self._added = Replay(), set()
        for logged in batches:
            if logged.ordinal not in self._added:
                self.replay.add(self.generation.batch(logged.ordinal))
                self._added.add(logged.ordinal)
        return batches

    def close(self) -> None:
        self.replay.close()


def origin(generation: Generation, batch: LoggedBatch) -> str:
    """Where a batch was first written: `g1-12`, whichever generation it was brought into since."""
    return batch.plan if batch.is_brought else f"{generation.log.generation}-{batch.ordinal}"
