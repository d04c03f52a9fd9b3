"""Documents a second into OpenSearch; baseline: a bare streaming_bulk of the same documents.

Figure: batch folders read, projected and written as `rebuild` does it, entries and outcomes
counted. Baseline: documents that lie ready in memory, in large requests. Both go to a local node,
one shard, no replicas, no refresh.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.helpers import streaming_bulk

from benchmarks.registry import Options
from benchmarks.synthetic import clustered
from deploy.local.node import LocalOpenSearch
from indexer.coding import coded
from mappings import Name, index_body
from scenestore.batch import Batch, BatchContent, CodedEntries, write_batch
from scenestore.entry import Entry, Identity, Kind, Metadata, SceneOutcome
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.opensearch import fields
from scenestore.opensearch.connection import Options as Access
from scenestore.opensearch.connection import connect
from scenestore.opensearch.documents import OpenSearchDocuments
from scenestore.opensearch.ledger import OpenSearchLedger
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from sgpd.fit import FitSettings, fit

NAME = "bulk"

_BATCH = 1_000
_CHUNK_BYTES = 8 << 20
"""Of a bare request; streaming_bulk sends one after the other."""
_HEAP = "1g"
_LEAST_ROUNDS = 5
"""A second of work each: fewer turns say more about what else the machine does."""


def run(options: Options) -> dict[str, Any]:
    """Write the same documents both ways in turns, each time into new indices."""
    count = options.size or 20_000
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        store = LocalStore(root / "batches")
        bundle = fit(clustered(10_000), "synthetic", settings=FitSettings(128, 4_096))
        batches = [_batch(bundle, start, store) for start in range(0, count, _BATCH)]
        with LocalOpenSearch(root / "node", heap=_HEAP) as node:
            client = connect(Access((node.url,)))
            reader = SegmentReader(bundle, Log(OpenSearchLedger(client, "bench"), "g1"), store)
            documents = OpenSearchDocuments(client, "bench", "g1", reader)
            documents.create()
            actions = list(_actions(bundle, batches))
            ours, bare = [], []
            for _ in range(max(options.rounds, _LEAST_ROUNDS)):
                documents.reset()
                ours.append(_timed(lambda: _write(documents, batches)))
                _make_bare_indices(client)
                bare.append(_timed(lambda: _stream(client, actions)))
    figure, baseline = (len(actions) / median(seconds) for seconds in (ours, bare))
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "documents a second",
        "documents": len(actions),
    }


def _batch(bundle: Bundle, start: int, store: LocalStore) -> Batch:
    x = clustered(_BATCH, seed=start)
    scenes = [f"2019/07/scene-{start + i:07d}" for i in range(_BATCH)]
    entries = [_entry(scene, start + i) for i, scene in enumerate(scenes)]
    outcomes = [SceneOutcome("synthetic", scene, "indexed", chips=1) for scene in scenes]
    parts: dict[Kind, CodedEntries] = {"chip": coded(bundle, "chip", entries, x)}
    ordinal = start // _BATCH + 1
    plan = f"plan-{ordinal}"
    return write_batch(BatchContent(ordinal, plan, bundle.digest, parts, outcomes), store)


def _entry(scene: str, number: int) -> Entry:
    west, south = number % 359 - 180, number % 170 - 85
    corners = [[west, south], [west + 1, south], [west + 1, south + 1], [west, south + 1]]
    known = Metadata(
        datetime=f"2019-07-{number % 30 + 1:02d}T10:20:30Z",
        cloud_cover=float(number % 100),
        gsd=10.0,
        platform="sentinel-2a",
        footprint={"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        properties={"orbit": number % 143, "level": "L2A"},
    )
    identity = Identity("chip", "synthetic", scene)
    return Entry(identity, f"{scene}.tif", metadata=known)


def _actions(bundle: Bundle, batches: Sequence[Batch]) -> Iterator[dict[str, Any]]:
    """The documents as streaming_bulk takes them."""
    terms = bundle.space("chip").sparsifier.lexicon.terms
    for batch in batches:
        for id, document in fields.entry_documents(batch, "chip", terms):
            yield {"_index": "bare-chip", "_id": id, "_source": document}
        for id, document in fields.outcome_documents(batch):
            yield {"_index": "bare-scenes", "_id": id, "_source": document}


def _make_bare_indices(client: OpenSearch) -> None:
    names: dict[str, Name] = {"bare-chip": "entries", "bare-scenes": "scenes"}
    for index, mapping in names.items():
        client.indices.delete(index=index, params={"ignore": 404})
        settings = {"index": {"refresh_interval": "-1", "number_of_replicas": 0}}
        client.indices.create(index=index, body={**index_body(mapping), "settings": settings})


def _stream(client: OpenSearch, actions: Sequence[dict[str, Any]]) -> None:
    for _ in streaming_bulk(client, actions, chunk_size=10_000, max_chunk_bytes=_CHUNK_BYTES):
        pass


def _write(documents: OpenSearchDocuments, batches: Sequence[Batch]) -> None:
    for batch in batches:
        documents.write(Batch.open(batch.folder))


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
