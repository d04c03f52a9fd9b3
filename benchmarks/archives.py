"""Archives of synthetic embeddings, written the way the indexer writes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.synthetic import clustered
from indexer.coding import coded
from scenestore.batch import BatchContent, CodedEntries
from scenestore.compaction import compact
from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.entry import Entry, Identity, Kind, Metadata, SceneOutcome
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from sgpd.encoders import Encoder
from sgpd.fit import fit

ENCODER = "synthetic"
_BATCH = 1_000
_FITTED_ON = 50_000
_QUERY_NOISE = 0.3
"""Length of what is added to a stored vector to make a query of it."""


def no_encoder() -> Encoder:
    """Stands for the model in searches by vector, which need none."""
    raise AssertionError("a search by vector needs no model")


def embedded(home: Path) -> Generation:
    """The embedded archive in `home`, opened."""
    bundle = Bundle.load(home / "bundle")
    log = Log(EmbeddedLedger(home / "ledger.sqlite"), "g1")
    reader = SegmentReader(bundle, log, LocalStore(home / "batches"))
    return Generation(reader, EmbeddedDocuments(home / "documents.sqlite", reader))


def make_bundle(home: Path, count: int) -> None:
    """Fit the bundle of an archive of `count` entries."""
    home.mkdir(parents=True, exist_ok=True)
    fit(clustered(count)[:_FITTED_ON], ENCODER).save(home / "bundle")


def fill(
    generation: Generation,
    count: int,
    known: Callable[[int], Metadata] = lambda _: Metadata(),
    compacted: bool = True,
    batch: int = _BATCH,
) -> None:
    """Index `count` synthetic chips, batch by batch; `known` is the metadata of each, by number."""
    vectors = clustered(count)

    def code(entries: Sequence[Entry], rows: slice) -> CodedEntries:
        return coded(generation.bundle, "chip", entries, vectors[rows])

    fill_with(generation, count, code, known, compacted, batch)


def fill_with(
    generation: Generation,
    count: int,
    code: Callable[[Sequence[Entry], slice], CodedEntries],
    known: Callable[[int], Metadata] = lambda _: Metadata(),
    compacted: bool = True,
    batch: int = _BATCH,
) -> None:
    """Index `count` chips, each of a scene of its own; `code` codes those of the given numbers."""
    generation.create()
    for start in range(0, count, batch):
        rows = slice(start, min(start + batch, count))
        scenes = [f"scene-{number:07d}" for number in range(rows.start, rows.stop)]
        entries = [
            Entry(Identity("chip", "synthetic", scene), f"{scene}.jpg", metadata=known(start + i))
            for i, scene in enumerate(scenes)
        ]
        outcomes = [SceneOutcome("synthetic", scene, "indexed", chips=1) for scene in scenes]
        ordinal = generation.log.claim()
        parts: dict[Kind, CodedEntries] = {"chip": code(entries, rows)}
        content = BatchContent(
            ordinal,
            f"fill-{ordinal}",
            generation.bundle.digest,
            parts,
            outcomes,
        )
        generation.publish(content)
        if compacted:
            compact(generation)
    generation.documents.refresh()


def queries(count: int, entries: int) -> NDArray[np.float32]:
    """Unit vectors [count, d] near vectors of an archive of so many entries."""
    near = clustered(entries)[:: max(entries // count, 1)][:count]
    noise = np.random.default_rng(7).standard_normal(near.shape) / np.sqrt(near.shape[1])
    x = near + _QUERY_NOISE * noise
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), np.float32)
