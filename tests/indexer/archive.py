"""A real archive, as small as it gets, and pictures to put into it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from indexer.index import index
from indexer.pipeline import PipelineSettings
from indexer.summary import Summary
from indexer.update import UpdateRequest
from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.filters import ANY
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.opensearch.connection import Options, connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.ports import Ledger
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from sgpd.fit import FitSettings, fit
from tests.builders import folder_of
from tests.indexer.colours import ColourEncoder

SMALL = PipelineSettings(scenes_per_batch=8, images_per_encoding=4, threads=2)


@cache
def fitted(seed: int = 0) -> Bundle:
    """A bundle for the colour encoder, of 8 cells and 32 prototypes."""
    pixels = np.random.default_rng(1).integers(0, 256, (256, 16, 16, 3), dtype=np.uint8)
    encoder = ColourEncoder()
    settings = FitSettings(cells=8, prototypes=32, seed=seed)
    return fit(encoder.encode_images(list(pixels)), encoder.identity, settings=settings)


@dataclass
class TestArchive:
    """An archive and the folder that it is indexed from."""

    __test__ = False

    generation: Generation
    ledger: Ledger
    source: Path

    @classmethod
    def embedded(
        cls, folder: Path, source: Path, name: str = "g1", bundle: Bundle | None = None
    ) -> TestArchive:
        """Open, or begin, an embedded archive."""
        ledger = EmbeddedLedger(folder / "ledger.sqlite")
        store = LocalStore(folder / "batches" / name)
        reader = SegmentReader(bundle or fitted(), Log(ledger, name), store)
        documents = EmbeddedDocuments(folder / f"{name}.sqlite", reader)
        return cls(Generation(reader, documents), ledger, source)

    @classmethod
    def opensearch(
        cls,
        url: str,
        prefix: str,
        folder: Path,
        source: Path,
        name: str = "g1",
        bundle: Bundle | None = None,
    ) -> TestArchive:
        """Open, or begin, an archive whose log and documents are in OpenSearch."""
        client = connect(Options((url,)))
        ledger = OpenSearchLedger(client, prefix)
        store = LocalStore(folder / "batches" / name)
        reader = SegmentReader(bundle or fitted(), Log(ledger, name), store)
        documents = OpenSearchDocuments(client, prefix, name, reader)
        return cls(Generation(reader, documents), ledger, source)

    @property
    def batches(self) -> Path:
        """The folder of its batches and segments."""
        return folder_of(self.generation)

    def index(self, **options: Any) -> Summary:
        """Index the source with small batches."""
        asked, others = requested(self.source, options)
        given = {"encoder": ColourEncoder(), "settings": SMALL, **others}
        return index(self.generation, self.ledger, request=asked, **given)

    def contents(self) -> dict[str, Any]:
        """All that a search or a person can get at, without keys: they differ between attempts."""
        documents = self.generation.documents
        found: dict[str, Any] = {
            outcome.scene: (outcome.status, outcome.fingerprint, outcome.chips, outcome.captions)
            for outcome in documents.outcomes(None)
        }
        for kind in ("chip", "caption"):
            keys = [key for key, _ in documents.live(kind)]
            for key, entry in documents.fetch(kind, keys, ANY).items():
                vectors = self.generation.reader.segments(kind).vectors(np.array([key]))
                found[entry.identity.canonical()] = (
                    entry.source,
                    entry.caption,
                    entry.top_terms,
                    entry.metadata,
                    vectors.tobytes(),
                )
        return found


def requested(source: Path, options: dict[str, Any]) -> tuple[UpdateRequest, dict[str, Any]]:
    """The options that make a request, as one, and the others."""
    names = {field.name for field in fields(UpdateRequest)}
    asked = {name: value for name, value in options.items() if name in names}
    others = {name: value for name, value in options.items() if name not in names}
    return UpdateRequest(**{"source": source, **asked}), others


def save_picture(path: Path, seed: int, size: tuple[int, int] = (24, 20), **options: Any) -> None:
    """Write an image of random smooth colours, in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path, **options)


def save_captions(path: Path, captions: dict[str, list[str]]) -> Path:
    """Write a captions file, JSONL."""
    lines = [json.dumps({"image": image, "captions": c}) for image, c in captions.items()]
    path.write_text("\n".join(lines) + "\n")
    return path
