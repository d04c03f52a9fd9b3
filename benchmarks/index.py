"""Images a second, embedded; baseline: the bare encoder with the same decoding and batches.

Both read, decode and resize in as many threads, as far ahead, and encode as many images at once;
indexing also makes thumbnails, codes, durable batches and documents. Images are those of the sample
archive, or of `eurosat_rgb` in --data.
"""

from __future__ import annotations

import tempfile
from itertools import count, islice
from pathlib import Path
from typing import Any

from benchmarks.registry import Options
from benchmarks.timing import interleaved
from indexer.images import read_image
from indexer.index import index
from indexer.pipeline import PipelineSettings, closing_pool, read_ahead
from indexer.source import Source
from indexer.update import UpdateRequest
from scenesift.models import load_encoder, shipped_bundle
from scenesift.settings import load_settings
from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from sgpd.encoders import Encoder

NAME = "index"

SAMPLE = Path(__file__).parents[1] / "examples" / "sample_archive"


def run(options: Options) -> dict[str, Any]:
    """Index and encode the same images in turns, each time into a new home."""
    source = options.data / "eurosat_rgb" if options.data else SAMPLE
    encoder = load_encoder(load_settings())
    bundle = shipped_bundle()
    if bundle is None:
        raise SystemExit("index: the bundle that ships with the bundled model is not installed")
    settings = PipelineSettings()
    with tempfile.TemporaryDirectory() as scratch:
        images = linked(source, Path(scratch) / "images", options.size)
        homes = (Path(scratch) / f"home-{number}" for number in count())
        ways = {
            "index": lambda: _index(next(homes), bundle, encoder, images, settings),
            "bare": lambda: _encode(encoder, images, settings),
        }
        _encode(encoder, images, settings)  # what is slow for the first time only
        seconds = interleaved(ways, options.rounds)
        number = sum(1 for _ in Source(images).files())
    figure, baseline = number / seconds["index"], number / seconds["bare"]
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "images a second",
        "images": number,
        "threads": settings.threads,
    }


def linked(source: Path, folder: Path, size: int | None) -> Path:
    """A folder of links to `size` images, spread over the source; None: to all."""
    files = list(Source(source).files())
    step = max(len(files) // size, 1) if size else 1
    for file in files[::step][:size]:
        link = folder / file.scene
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.path)
    return folder


def _index(
    home: Path, bundle: Bundle, encoder: Encoder, images: Path, settings: PipelineSettings
) -> None:
    ledger = EmbeddedLedger(home / "ledger.sqlite")
    reader = SegmentReader(bundle, Log(ledger, "g1"), LocalStore(home / "batches"))
    documents = EmbeddedDocuments(home / "documents.sqlite", reader)
    generation, request = Generation(reader, documents), UpdateRequest(images)
    summary = index(generation, ledger, encoder, request, settings=settings)
    if summary.failed:
        raise SystemExit(f"index: {summary.failures[0]}")
    documents.close()
    ledger.close()


def _encode(encoder: Encoder, images: Path, settings: PipelineSettings) -> None:
    with closing_pool(settings.threads) as pool:
        prepared = read_ahead(
            pool,
            lambda file: encoder.prepare(read_image(file.path.read_bytes())),
            Source(images).files(),
            settings.look_ahead,
        )
        while group := list(islice(prepared, settings.images_per_encoding)):
            encoder.encode_images(group)
