"""Small bundles, entries and batches for the store's tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenestore.batch import BatchContent, CodedEntries
from scenestore.entry import KINDS, Entry, Identity, Kind, Metadata, SceneOutcome
from sgpd.bundle import Bundle
from sgpd.cells import nearest_centroid
from sgpd.embeddings import stored
from sgpd.fit import CaptionSample, FitSettings, fit
from tests.vectors import clustered


def small_bundle(seed: int = 0) -> Bundle:
    """A bundle of 8 cells and 64 prototypes for each kind."""
    words = ("runway", "river", "harbour", "forest")
    captions = CaptionSample(
        [words[i % len(words)] for i in range(200)], clustered(200, seed + 1), np.arange(200)
    )
    settings = FitSettings(cells=8, prototypes=64, seed=seed)
    return fit(clustered(400, seed), "test-encoder", captions=captions, settings=settings)


def chip(scene: str, number: int | None = None, collection: str = "c", **known: object) -> Entry:
    """A chip: the whole scene, or its `number`th window; `known` is its metadata."""
    part = None if number is None else (64 * number, 0, 64, 64)
    identity = Identity("chip", collection, scene, part)
    return Entry(identity, f"{scene}.png", metadata=Metadata(**known))  # type: ignore[arg-type]


def caption(
    scene: str, text: str, number: int = 0, collection: str = "c", **known: object
) -> Entry:
    """A caption of a scene; `known` is its metadata."""
    identity = Identity("caption", collection, scene, number)
    metadata = Metadata(**known)  # type: ignore[arg-type]
    return Entry(identity, f"{scene}.png", caption=text, metadata=metadata)


def indexed(scene: str, collection: str = "c") -> SceneOutcome:
    """The outcome of a scene that went well."""
    return SceneOutcome(collection, scene, "indexed", fingerprint="f", stat="1:2", chips=1)


@dataclass(frozen=True)
class BatchMaker:
    """Makes batches of a bundle; the vector of an entry is random, or the one given for it."""

    bundle: Bundle

    def __call__(
        self,
        ordinal: int,
        entries: Iterable[Entry] = (),
        *,
        plan: str | None = None,
        vectors: Mapping[Identity, NDArray[np.float32]] | None = None,
        tombstones: Sequence[Identity] = (),
        outcomes: Sequence[SceneOutcome] = (),
    ) -> BatchContent:
        by_kind: dict[Kind, list[Entry]] = {kind: [] for kind in KINDS}
        for entry in entries:
            by_kind[entry.identity.kind].append(entry)
        parts = {
            kind: self._coded(kind, members, ordinal, vectors or {})
            for kind, members in by_kind.items()
            if members
        }
        name = plan or f"plan-{ordinal}"
        return BatchContent(ordinal, name, self.bundle.digest, parts, outcomes, tombstones)

    def _coded(
        self,
        kind: Kind,
        entries: Sequence[Entry],
        seed: int,
        given: Mapping[Identity, NDArray[np.float32]],
    ) -> CodedEntries:
        vectors = clustered(len(entries), seed)
        for row, entry in enumerate(entries):
            vectors[row] = given.get(entry.identity, vectors[row])
        vectors = stored(vectors)
        space = self.bundle.space(kind)
        cells = nearest_centroid(vectors, space.cells.centroids)
        codes = space.sparsifier.encode_documents(vectors)
        return CodedEntries(entries, vectors, cells, codes, len(space.cells.centroids))
