"""The indices of one generation: made, filled from batches, replaced, dropped."""

from __future__ import annotations

from collections.abc import Iterator

from scenestore.batch import Batch
from scenestore.entry import KINDS, SceneOutcome
from scenestore.errors import StoreError
from scenestore.opensearch import fields
from scenestore.opensearch.bulk import send, versioned
from scenestore.opensearch.indices import SCENES, IndexSettings, Indices
from scenestore.opensearch.live import LiveIndices
from scenestore.opensearch.refusals import translated
from sgpd.bundle import Bundle


class OpenSearchProjection:
    """Implements `scenestore.ports.Projection`."""

    def __init__(self, indices: LiveIndices, bundle: Bundle, settings: IndexSettings) -> None:
        self._live = indices
        self._client = indices.client
        self._families = indices.families
        self._bundle = bundle
        self._indices = Indices(indices.client, settings)
        self._begun: dict[str, str] = {}
        """Physical indices that `write` fills between `reset` and `swap`."""

    def create(self) -> None:
        """Make indices and aliases; nothing happens when they are there."""
        with translated(self._client):
            for family in self._families.values():
                self._indices.create(family)

    def check(self) -> None:
        """Raise StoreError, with both digests, when the indices were made with another bundle."""
        with translated(self._client):
            self._indices.check(self._families.values())

    def write(self, batch: Batch) -> list[SceneOutcome]:
        """Project a batch; safe to repeat. Returns the outcomes that met a higher ordinal.

        An outcome is sent once all entries are taken: whoever finds it finds them as well.
        """
        guarded = not self._begun
        send(self._client, self._entries(batch), require_alias=guarded)
        newer = send(self._client, self._outcomes(batch), require_alias=guarded)
        return [outcome for outcome in batch.outcomes if outcome.id in newer] if newer else []

    def _entries(self, batch: Batch) -> Iterator[bytes]:
        for kind in KINDS:
            terms = self._bundle.space(kind).sparsifier.lexicon.terms
            index = self._begun.get(kind, self._families[kind].alias)
            for id, document in fields.entry_documents(batch, kind, terms):
                yield versioned(index, id, batch.ordinal, document)

    def _outcomes(self, batch: Batch) -> Iterator[bytes]:
        index = self._begun.get(SCENES, self._families[SCENES].alias)
        for id, document in fields.outcome_documents(batch):
            yield versioned(index, id, batch.ordinal, document)

    def refresh(self) -> None:
        """Make everything written so far visible to searches."""
        self._live.refresh()

    def reset(self) -> None:
        """Begin empty indices beside the live ones; what an earlier reset left is deleted."""
        with translated(self._client):
            self._begun = {
                name: self._indices.begin(family) for name, family in self._families.items()
            }

    def swap(self) -> None:
        """Put the indices begun by `reset` in the live ones' place, in one step."""
        if not self._begun:
            raise StoreError("nothing to swap: no rebuild was begun; run `scenesift rebuild`")
        with translated(self._client):
            self._indices.finish((self._families[n], index) for n, index in self._begun.items())
        self._begun = {}

    def lead(self) -> None:
        """Let the aliases that are for whichever generation is live name this one."""
        with translated(self._client):
            self._indices.lead(self._families.values())

    def drop(self) -> None:
        """Remove everything of this generation."""
        with translated(self._client):
            for family in self._families.values():
                self._indices.drop(family)
        self._begun = {}

    def close(self) -> None:
        """Nothing to give back: the client is shared by all generations of its engine."""
