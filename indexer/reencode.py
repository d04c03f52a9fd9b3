"""Reencode: the scenes that are left of a batch, encoded again from their images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from indexer.captions import NO_CAPTIONS, Captions, read_captions
from indexer.changes import Change
from indexer.collection import Collection, known_collection
from indexer.content import batch_content
from indexer.embedding import embed
from indexer.errors import CollectionError
from indexer.pipeline import PipelineSettings, closing_pool, read_ahead
from indexer.replay import Remainder
from indexer.scene import EmbeddedScene, SceneReader
from indexer.source import SourceFile
from scenestore.batch import Batch, BatchContent
from scenestore.entry import Identity, SceneOutcome, scene_of
from scenestore.generation import Generation
from scenestore.ports import Ledger

if TYPE_CHECKING:
    from sgpd.encoders import Encoder


class Reencoding:
    """Makes batches of a generation with another model from the sources of known collections.

    Scenes that failed or were deleted on request stay what they are; an image that is gone from its
    source has failed in the new generation.
    """

    def __init__(
        self,
        new: Generation,
        ledger: Ledger,
        encoder: Callable[[], Encoder],
        settings: PipelineSettings,
    ) -> None:
        """`encoder` is called when there is something to encode; it must be the bundle's."""
        self._new = new
        self._ledger = ledger
        self._encoder = encoder
        self._settings = settings
        self._collections: dict[str, tuple[Collection, Captions]] = {}

    def __call__(self, batch: Batch, left: Remainder, plan: str) -> BatchContent:
        """What the new generation is to hold of a batch."""
        scenes = list(self._embedded([one for one in left.outcomes if one.status == "indexed"]))
        content = batch_content(self._new, self._new.log.claim(), plan, scenes)
        written = {entry.identity for part in content.parts.values() for entry in part.entries}
        return replace(
            content,
            outcomes=[
                *content.outcomes,
                *(one for one in left.outcomes if one.status != "indexed"),
            ],
            tombstones=[who for who in self._held(left.outcomes) if who not in written],
        )

    def _embedded(self, outcomes: Sequence[SceneOutcome]) -> Iterator[EmbeddedScene]:
        if not outcomes:
            return
        encoder, settings = self._encoder(), self._settings
        self._new.bundle.check_encoder(encoder.identity)
        with closing_pool(settings.threads) as pool:
            for collection in dict.fromkeys(one.collection for one in outcomes):
                reader = SceneReader(collection, encoder.prepare, settings.max_pixels)
                changes = [self._change(one) for one in outcomes if one.collection == collection]
                read = read_ahead(pool, reader.read, changes, settings.look_ahead)
                yield from embed(read, encoder, settings.images_per_encoding)

    def _change(self, outcome: SceneOutcome) -> Change:
        known, captions = self._collection(outcome.collection)
        path = known.source / outcome.scene
        try:
            found = path.stat()
            stat = f"{found.st_size}:{found.st_mtime_ns}"
        except OSError:
            stat = ""
        file = SourceFile(outcome.scene, path, stat)
        return Change(outcome.scene, "new", file, None, captions.of(outcome.scene))

    def _collection(self, name: str) -> tuple[Collection, Captions]:
        if name not in self._collections:
            known = known_collection(self._ledger, name)
            if known is None:
                raise CollectionError(
                    f"the folder of collection {name} is not known any more; index it again with "
                    f"`scenesift index SOURCE --collection {name} --moved`"
                )
            captions = read_captions(known.captions) if known.captions else NO_CAPTIONS
            self._collections[name] = known, captions
        return self._collections[name]

    def _held(self, outcomes: Sequence[SceneOutcome]) -> list[Identity]:
        """Live identities that the new generation has of these scenes."""
        scenes = [scene_of(one) for one in outcomes]
        found = self._new.documents.identities(scenes).values()
        return [identity for identities in found for identity in identities]
