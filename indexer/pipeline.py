"""The indexing pipeline: source -> scenes -> chips -> embeddings -> codes and cells -> batch folder
-> documents -> log.

Reading and decoding run in threads ahead of the model, and a batch is written while the next one
is encoded, so that the model never waits for the disk.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from indexer.changes import Change
from indexer.content import batch_content, without_deleted
from indexer.embedding import embed
from indexer.images import MAX_PIXELS
from indexer.patience import patiently
from indexer.scene import EmbeddedScene, SceneReader
from scenestore.batch import BatchContent
from scenestore.compaction import compact
from scenestore.generation import Check, Generation, unchecked

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

Report = Callable[[int], None]
"""Told how many more are done."""
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PipelineSettings:
    """Sizes of the pipeline's steps."""

    scenes_per_batch: int = 1_000
    """Scenes of a batch folder: a crash costs at most the encoding of two of them."""
    entries_per_batch: int = 20_000
    """A batch is closed early when its captions are that many."""
    images_per_encoding: int = 64
    """Images, or captions, that the model takes at once."""
    threads: int = min(8, os.cpu_count() or 1)
    """Threads that read, decode and prepare images."""
    max_pixels: int = MAX_PIXELS
    """Larger images fail."""
    patience: float = 0.0
    """Seconds to go on trying while the engine does not answer."""

    @property
    def look_ahead(self) -> int:
        """Scenes that are read before they are needed: bounds what waits in memory."""
        return 4 * self.images_per_encoding


class Pipeline:
    """Indexes changed scenes of one collection into one generation."""

    def __init__(
        self, generation: Generation, encoder: Encoder, collection: str, settings: PipelineSettings
    ) -> None:
        """Raises BundleError when the encoder is not the one that the bundle was fitted for."""
        generation.bundle.check_encoder(encoder.identity)
        self._generation = generation
        self._encoder = encoder
        self._settings = settings
        self._reader = SceneReader(collection, encoder.prepare, settings.max_pixels)

    def run(
        self, changes: Iterable[Change], run: str, report: Report
    ) -> Iterator[Sequence[EmbeddedScene]]:
        """Index the changes batch by batch; yields the scenes of each batch once it is in the log.

        Batches are compacted as they become many. `run` begins the names of the planned batches;
        `report` is told how many scenes more were encoded.
        """
        with closing_pool(self._settings.threads) as readers, closing_pool(1) as writer:
            embedded = self._embedded(readers, changes, report)
            writing: Future[Sequence[EmbeddedScene]] | None = None
            for number, batch in enumerate(self._batches(embedded)):
                if writing is not None:
                    yield writing.result()
                writing = writer.submit(self._write_and_compact, f"{run}-{number}", batch)
            if writing is not None:
                yield writing.result()

    def encode(self, changes: Iterable[Change], report: Report) -> list[EmbeddedScene]:
        """Read and encode the changes of one planned batch.

        `report` is told how many scenes more were encoded, and may raise to end the work.
        """
        with closing_pool(self._settings.threads) as readers:
            return list(self._embedded(readers, changes, report))

    def _embedded(
        self, readers: ThreadPoolExecutor, changes: Iterable[Change], report: Report
    ) -> Iterator[EmbeddedScene]:
        settings = self._settings
        scenes = read_ahead(readers, self._reader.read, changes, settings.look_ahead)
        return _counted(embed(scenes, self._encoder, settings.images_per_encoding), report)

    def _batches(self, scenes: Iterable[EmbeddedScene]) -> Iterator[list[EmbeddedScene]]:
        batch: list[EmbeddedScene] = []
        entries = 0
        for scene in scenes:
            batch.append(scene)
            entries += 1 + len(scene.captions)
            if (
                len(batch) >= self._settings.scenes_per_batch
                or entries >= self._settings.entries_per_batch
            ):
                yield batch
                batch, entries = [], 0
        if batch:
            yield batch

    def _write_and_compact(
        self, plan: str, scenes: Sequence[EmbeddedScene]
    ) -> Sequence[EmbeddedScene]:
        written = self.write(plan, scenes, unchecked)
        while compact(self._generation):
            pass
        return written

    def write(
        self, plan: str, scenes: Sequence[EmbeddedScene], check: Check, *, again: bool = False
    ) -> Sequence[EmbeddedScene]:
        """Write one batch; returns the scenes, with what became of them, once it is in the log.

        `check` is called between the steps, and raises where the batch is no longer ours. `again`
        tells that an attempt at the same scenes may have died before.
        """
        generation, patience = self._generation, self._settings.patience
        check()

        def content() -> tuple[BatchContent, list[EmbeddedScene]]:
            # Asked once the ordinal is ours: a delete that is not seen here has a higher one.
            ordinal = generation.log.claim()
            kept, deleted = without_deleted(generation, scenes)
            content = batch_content(generation, ordinal, plan, kept, deleted=deleted, again=again)
            return content, [*kept, *deleted]

        written, outcomes = patiently(content, patience)
        batch = patiently(lambda: generation.seal(written), patience)
        patiently(lambda: generation.complete(batch, check), patience)
        return outcomes


def read_ahead(
    pool: ThreadPoolExecutor, read: Callable[[Item], Result], items: Iterable[Item], depth: int
) -> Iterator[Result]:
    """Results in the order of items, at most `depth` of them begun before they are asked for."""
    begun: deque[Future[Result]] = deque()
    for item in items:
        begun.append(pool.submit(read, item))
        if len(begun) >= depth:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


@contextmanager
def closing_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that begins nothing more once the block is left, and ends what is begun."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _counted(items: Iterable[Item], report: Report) -> Iterator[Item]:
    for item in items:
        report(1)
        yield item
