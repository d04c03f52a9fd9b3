"""Small bundles, batches and archives for tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenestore.batch import BatchContent, CodedEntries
from scenestore.calibrations import Calibrations
from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.entry import Entry, Identity, Kind, SceneOutcome
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.reader import SegmentReader
from scenestore.store import Store
from sgpd.bundle import Bundle
from sgpd.embeddings import stored
from sgpd.fit import FitSettings, fit
from tests.vectors import clustered

ENCODER = "test-encoder"


@cache
def small_bundle() -> Bundle:
    """A bundle of 10 cells and 96 prototypes."""
    return fit(clustered(600), ENCODER, settings=FitSettings(cells=10, prototypes=96))


def embedded_generation(
    home: Path, bundle: Bundle | None = None, store: Store | None = None
) -> Generation:
    """A generation on the embedded engine, made or opened again in `home`."""
    store = store or LocalStore(home)
    bundle = bundle or small_bundle()
    home.mkdir(parents=True, exist_ok=True)
    ledger = EmbeddedLedger(home / "ledger.sqlite")
    reader = SegmentReader(bundle, Log(ledger, "g1"), store.under("g1"))
    calibrations = Calibrations(ledger, store.under("calibrations"), "g1")
    documents = EmbeddedDocuments(home / "g1.sqlite", reader)
    generation = Generation(reader, documents, calibrations)
    generation.create()
    return generation


def folder_of(generation: Generation) -> Path:
    """The folder that holds the batches and segments of a generation on this machine."""
    assert isinstance(generation.store, LocalStore)
    return generation.store.folder


def coded(
    bundle: Bundle, kind: Kind, vectors: NDArray[np.float32], entries: Sequence[Entry]
) -> CodedEntries:
    """Entries with the cells and codes of their vectors [n, d]."""
    space = bundle.space(kind)
    x = stored(vectors)
    codes = space.sparsifier.encode_documents(x)
    return CodedEntries(entries, x, space.cells.assign(x), codes, len(space.cells))


def chips(scenes: Sequence[str], collection: str = "c") -> list[Entry]:
    """One whole-scene chip a scene."""
    return [Entry(Identity("chip", collection, scene), f"{scene}.jpg") for scene in scenes]


def publish(
    generation: Generation,
    scenes: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    tombstones: Sequence[Identity] = (),
    plan: str | None = None,
) -> int:
    """Write one batch of chips; returns its ordinal."""
    ordinal = generation.log.claim()
    generation.publish(
        content(generation, ordinal, scenes, vectors, tombstones=tombstones, plan=plan)
    )
    return ordinal


def content(
    generation: Generation,
    ordinal: int,
    scenes: Sequence[str],
    vectors: NDArray[np.float32],
    *,
    tombstones: Sequence[Identity] = (),
    plan: str | None = None,
) -> BatchContent:
    """A batch of chips, to be written."""
    outcomes = [SceneOutcome("c", scene, "indexed", chips=1) for scene in scenes]
    parts: dict[Kind, CodedEntries] = {}
    if scenes:
        parts["chip"] = coded(generation.bundle, "chip", vectors, chips(scenes))
    name = plan or f"run-{ordinal}"
    return BatchContent(ordinal, name, generation.bundle.digest, parts, outcomes, tombstones)
