"""A worker of the benchmarks, or the bare encoder, as a process of its own; its site on stdin."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import indexer.scene
from indexer.images import read_image
from indexer.pipeline import PipelineSettings, closing_pool, read_ahead
from indexer.plans import Plans
from indexer.source import Source
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.opensearch.connection import Options, connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.ports import Ledger
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from sgpd.embeddings import checked
from sgpd.encoders import Encoder
from workers.app import QUEUES, create_app
from workers.queue import CeleryQueue
from workers.service import Service

DIMENSION = 256
STUB = "sleeping stub"
STUB_SECONDS = 0.010
"""What the stub takes for an image."""
SETTINGS = PipelineSettings(threads=1, patience=60.0)


@dataclass(frozen=True)
class Site:
    """Where a benchmark's archive is."""

    redis: str
    opensearch: str
    home: str
    source: str
    stub: bool
    prefix: str

    def generation(self) -> tuple[Ledger, Generation]:
        """The archive, as a new process opens it."""
        client = connect(Options((self.opensearch,)))
        ledger = OpenSearchLedger(client, self.prefix)
        store = LocalStore(Path(self.home) / self.prefix)
        bundle = Bundle.load(Path(self.home) / "bundle")
        reader = SegmentReader(bundle, Log(ledger, "g1"), store)
        return ledger, Generation(reader, OpenSearchDocuments(client, self.prefix, "g1", reader))

    def plans(self) -> Plans:
        """Where the plan files are."""
        return Plans(LocalStore(Path(self.home) / f"{self.prefix}-plans"))

    def queue(self) -> CeleryQueue:
        """The planner's side of Redis."""
        return CeleryQueue(create_app(self.redis, self.prefix), self.redis)


class StubEncoder:
    """Sleeps, and makes vectors out of nothing that costs: what is left is all around the model."""

    identity = STUB
    dimension = DIMENSION

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """As it is."""
        return image

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """One vector an image, of its bytes."""
        time.sleep(STUB_SECONDS * len(images))
        seeds = [int.from_bytes(image.tobytes()[:8], "big") for image in images]
        return checked(
            np.stack([np.random.default_rng(s).standard_normal(DIMENSION) for s in seeds])
        )

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One vector a text."""
        return checked(np.ones((len(texts), DIMENSION)))


def undecoded(source: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Pixels that cost nothing and tell files apart, in place of decoding."""
    return np.frombuffer(hashlib.sha256(source).digest()[:24], np.uint8).reshape(2, 4, 3)


class Place:
    """Implements `workers.station.Place`."""

    def __init__(self, site: Site) -> None:
        self.ledger, self._generation = site.generation()
        self.plans = site.plans()
        self.encoder = load(site)
        self.settings = SETTINGS

    def generation(self, name: str) -> Generation:
        """The only one."""
        return self._generation

    def writing(self) -> AbstractContextManager[None]:
        """Nothing: nobody else writes."""
        return nullcontext()

    def close(self) -> None:
        """Give back the connections."""
        self._generation.documents.close()


def load(site: Site) -> Encoder:
    """The stub, or the bundled model on one thread."""
    if site.stub:
        return StubEncoder()
    from scenesift.models import load_encoder
    from scenesift.settings import load_settings

    return load_encoder(load_settings(threads=1))


def worker(site: Site) -> None:
    """Work until told to end; says `ready` once the model is warm."""
    if site.stub:
        vars(indexer.scene).update(read_image=undecoded, thumbnail=lambda pixels, content: b"")
    app = create_app(site.redis, site.prefix)

    def open_place() -> Place:
        place = Place(site)
        place.encoder.encode_images([place.encoder.prepare(np.zeros((64, 64, 3), np.uint8))])
        print("ready", flush=True)
        return place

    def open_queue() -> CeleryQueue:
        return CeleryQueue(app, site.redis)

    Service(app, open_queue, open_place, processes=1, queues=QUEUES, drain_seconds=5.0).run()


def bare(site: Site) -> None:
    """Read, decode and encode all images, as a worker does, and nothing else; says how long."""
    encoder = load(site)
    encoder.encode_images([encoder.prepare(np.zeros((64, 64, 3), np.uint8))])
    print("ready", flush=True)
    sys.stdin.readline()
    started, cpu = time.perf_counter(), time.process_time()
    with closing_pool(SETTINGS.threads) as pool:
        prepared = read_ahead(
            pool,
            lambda file: encoder.prepare(read_image(file.path.read_bytes())),
            Source(Path(site.source)).files(),
            SETTINGS.look_ahead,
        )
        while group := list(islice(prepared, SETTINGS.images_per_encoding)):
            encoder.encode_images(group)
    took = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    print(json.dumps(took), flush=True)


if __name__ == "__main__":
    here = Site(**json.loads(sys.stdin.readline()))
    {"worker": worker, "bare": bare}[sys.argv[1]](here)
