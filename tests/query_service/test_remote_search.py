"""An archive in a bucket answers as one in a folder does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from query_service.answer import Answer
from query_service.request import SearchRequest, Strategy
from query_service.search import Searcher
from scenestore.compaction import compact
from scenestore.errors import DamagedError
from scenestore.generation import Generation
from scenestore.object_store import ObjectStore
from scenestore.reader import SegmentReader
from sgpd.encoders import Encoder
from tests.builders import embedded_generation, publish
from tests.s3_server import S3Server
from tests.vectors import clustered


def no_encoder() -> Encoder:
    raise AssertionError("a search by vector needs no model")


def fill(generation: Generation) -> Generation:
    """600 chips, most of them in a compacted segment that lays a sample by."""
    for start in range(0, 600, 60):
        scenes = [f"s{i:03d}" for i in range(start, start + 60)]
        publish(generation, scenes, clustered(60, seed=start))
        compact(generation)
    return generation


@pytest.fixture
def by_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scenestore.segment.WHOLE_BYTES", 0)
    monkeypatch.setattr("scenestore.segment.SAMPLED", 50)


@pytest.fixture
def local(by_ranges: None, tmp_path: Path) -> Generation:
    return fill(embedded_generation(tmp_path / "local"))


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.bucket()


@pytest.fixture
def remote(by_ranges: None, s3: S3Server, bucket: str, tmp_path: Path) -> Generation:
    """Filled on this machine, read on another."""
    filled = fill(
        embedded_generation(tmp_path / "remote", store=s3.store(bucket, tmp_path / "cache"))
    )
    elsewhere = s3.store(bucket, tmp_path / "cache of another")
    reader = SegmentReader(filled.bundle, filled.log, elsewhere.under("g1"))
    return Generation(reader, filled.documents)


def without_times(answer: Answer) -> Answer:
    return replace(answer, milliseconds={}, reads=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["guided", "exhaustive"])
def test_answers_are_the_same(local: Generation, remote: Generation, strategy: Strategy) -> None:
    searchers = [Searcher(generation, no_encoder) for generation in (local, remote)]
    for query in clustered(4, seed=7):
        for k in (1, 10, 700):
            request = SearchRequest(embedding=query, k=k, strategy=strategy)
            here, there = (
                without_times(searcher.search(request, explain=k == 10)) for searcher in searchers
            )
            assert here == there


def test_what_was_read_is_counted_and_not_read_again(remote: Generation) -> None:
    searcher = Searcher(remote, no_encoder)
    request = SearchRequest(embedding=clustered(1, seed=7)[0], strategy="guided")
    cold = searcher.search(request).reads
    assert cold.requests > 0
    assert cold.bytes > 0
    assert cold.misses > 0
    warm = searcher.search(request).reads
    assert (warm.requests, warm.bytes, warm.misses) == (0, 0, 0)
    assert warm.hits > 0


def test_a_segment_that_was_cut_in_the_bucket_is_said(remote: Generation) -> None:
    import obstore

    store = remote.store
    assert isinstance(store, ObjectStore)
    (segment,) = store.names("s-")
    path = f"g1/{segment}/chip/vectors.ivf"
    content = bytes(obstore.get(store.client, path).bytes())
    obstore.put(store.client, path, content[: len(content) // 2])
    searcher = Searcher(remote, no_encoder)
    request = SearchRequest(embedding=clustered(1, seed=7)[0], strategy="exhaustive")
    with pytest.raises(
        DamagedError, match=rf"s3://.*/{segment}.*has .* bytes, sealed with"
    ) as error:
        searcher.search(request)
    assert "\n" not in str(error.value)


def test_vectors_that_a_search_reads_are_those_stored(
    local: Generation, remote: Generation
) -> None:
    here, there = local.reader.segments("chip"), remote.reader.segments("chip")
    places = np.random.default_rng(0).permutation(len(here))
    np.testing.assert_array_equal(here.vectors_at(places), there.vectors_at(places))
    np.testing.assert_array_equal(here.sample(300), there.sample(300))
    assert len(there.sample(40)) == 40
