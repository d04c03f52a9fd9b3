"""What every command that writes an archive needs: to be the only one, and to follow switches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from indexer.collection import known_collection
from indexer.pipeline import PipelineSettings
from scenesift.bundles import next_bundle
from scenesift.errors import HomeBusyError
from scenesift.reader import ArchiveReader
from scenesift.selection import beside
from scenestore.errors import ClosedError
from scenestore.lease import Lease
from sgpd.bundle import Bundle

Written = TypeVar("Written")

_SWITCHES = 10
"""Switches that one command follows while it writes."""


class ArchiveWriter(ArchiveReader):
    """An archive that can be written to; `Archive` says what is written."""

    def written(self, write: Callable[[], Written]) -> Written:
        """Write to the live generation; where a switch comes in between, to the next one again.

        What the first attempt brought into the log the next generation has.
        """
        for _ in range(_SWITCHES):
            generation = self.pins.follow().generation
            try:
                return write()
            except ClosedError as refused:
                self.generations.settle(refused, generation.log.generation)
        self.pins.follow()
        return write()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold what one writer has at a time; HomeBusyError names who has it.

        The lock of the home, and with an engine that machines share, a lease.
        """
        with self.home.writing():
            if self.engine.name == "embedded":
                yield
                return
            lease = Lease(self.engine.ledger, "lease-writer")
            if not lease.wait():
                raise HomeBusyError(
                    f"process {lease.holder()} is writing to the archive of prefix "
                    f"{self.settings.opensearch_prefix}; wait until it ends, searches go on "
                    "meanwhile"
                )
            with lease.held():
                yield

    def begin(self) -> None:
        """Make the first generation if there is none; only for who is `writing`."""
        if not self.begun:
            self.pins.hold(self.generations.begin(self._next_bundle()))

    def captions_file(self, source: Path, collection: str) -> Path | None:
        """The file used last for a collection, else the one beside the images."""
        known = known_collection(self.engine.ledger, collection)
        return known.captions if known and known.captions else beside(source)

    @property
    def pipeline_settings(self) -> PipelineSettings:
        """Sizes of the indexing pipeline's steps."""
        return PipelineSettings(images_per_encoding=self.settings.batch_size)

    def _next_bundle(self) -> Bundle:
        """What new generations begin with; BundleError where the model is not its own."""
        bundle = next_bundle(self.home)
        bundle.check_encoder(self.encoder.identity)
        return bundle
