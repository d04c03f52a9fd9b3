"""Live segments: a key's place tells its vector and its cell, however many segments there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scenestore.compaction import compact
from scenestore.errors import DamagedError
from scenestore.generation import Generation
from scenestore.reader import SegmentReader
from scenestore.segment import Segment
from scenestore.segments import LiveSegments
from scenestore.store import Store
from sgpd.embeddings import stored
from sgpd.scoring import exact_scores, top
from tests.builders import embedded_generation, publish
from tests.s3_server import S3Server
from tests.vectors import clustered


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[bool], Generation]:
    """One compacted segment, three batches of its own tier, and a batch without chips."""

    @cache
    def made(remote: bool) -> Generation:
        home = tmp_path_factory.mktemp("filled")
        store: Store | None = None
        if remote:
            s3: S3Server = request.getfixturevalue("s3")
            store = s3.store(s3.bucket(), home / "cache")
        generation = embedded_generation(home, store=store)
        for number in range(8):
            publish(generation, [f"s{number}-{i}" for i in range(6)], clustered(6, seed=number))
        compact(generation)
        for number in range(8, 11):
            publish(generation, [f"s{number}-{i}" for i in range(6)], clustered(6, seed=number))
        publish(generation, [], clustered(0))
        return generation

    return made


@pytest.fixture(params=["folder", "bucket", "bucket, by ranges"])
def generation(
    filled: Callable[[bool], Generation],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Generation:
    """The same, of which nothing is read yet."""
    made = filled(request.param != "folder")
    if request.param == "bucket, by ranges":
        monkeypatch.setattr("scenestore.segment.WHOLE_BYTES", 0)
    return Generation(SegmentReader(made.bundle, made.log, made.store), made.documents)


@pytest.fixture
def segments(generation: Generation) -> LiveSegments:
    return generation.reader.segments("chip")


def test_cells_are_read_as_faiss_reads_them(generation: Generation, segments: LiveSegments) -> None:
    for kind_of in segments:
        whole = Segment(generation.store.open(kind_of.name), "chip", whole=True)
        assert whole.is_mapped
        positions = np.arange(len(whole))
        np.testing.assert_array_equal(kind_of.stored(positions), whole.stored(positions))
        np.testing.assert_array_equal(kind_of.cells_of(positions), whole.cells_of(positions))


def test_parts_of_places_are_read_as_all_of_them(segments: LiveSegments) -> None:
    places = np.array([3, -1, 0, len(segments) - 1])
    read = segments.reading(places)
    np.testing.assert_array_equal(read(slice(1, 3)), segments.vectors_at(places)[1:3])
    np.testing.assert_array_equal(read(slice(0, 4)), segments.vectors_at(places))


@pytest.mark.parametrize("left", [0.5, 0.99])
def test_a_segment_that_was_cut_is_said_when_it_is_opened(tmp_path: Path, left: float) -> None:
    generation = embedded_generation(tmp_path)
    publish(generation, [f"s{i}" for i in range(50)], clustered(50))
    (batch,) = generation.folders()
    for name in ("vectors.ivf", "keys.npy"):
        file = batch.folder.file(f"chip/{name}")
        content = file.read_bytes()
        file.write_bytes(content[: int(left * len(content))])
        reader = SegmentReader(generation.bundle, generation.log, generation.store)
        with pytest.raises(
            DamagedError, match=rf"{name} cannot be read .*scenesift audit"
        ) as error:
            reader.segments("chip")
        assert "\n" not in str(error.value)
        file.write_bytes(content)


def all_of(generation: Generation) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys and stored vectors, read from the batch folders."""
    batches = [batch for batch in generation.folders() if "chip" in batch.rows]
    keys = np.concatenate([batch.keys("chip") for batch in batches])
    parts = [batch.segment("chip") for batch in batches]
    vectors = [
        part.vectors(part.positions(batch.keys("chip")))
        for part, batch in zip(parts, batches, strict=True)
    ]
    return keys, np.concatenate(vectors)


def test_keys_in_any_order_find_their_vectors_and_cells(
    generation: Generation, segments: LiveSegments
) -> None:
    keys, vectors = all_of(generation)
    order = np.random.default_rng(0).permutation(len(keys))
    places = segments.locate(keys[order])
    assert sorted(places.tolist()) == list(range(len(keys)))
    np.testing.assert_array_equal(segments.vectors(keys[order]), vectors[order])
    np.testing.assert_array_equal(segments.vectors_at(places), vectors[order])
    cells = generation.bundle.space("chip").cells.assign(vectors[order])
    np.testing.assert_array_equal(segments.cells_at(places), cells)
    ascending = np.sort(places)
    np.testing.assert_array_equal(segments.locate(segments.keys_at(ascending)), ascending)


def test_a_key_that_no_segment_has_is_nowhere(
    generation: Generation, segments: LiveSegments
) -> None:
    keys, vectors = all_of(generation)
    empty = next(b.ordinal for b in generation.folders() if "chip" not in b.rows)
    strange = np.array([keys[0], (1 << 20) + 500, empty << 20, 99 << 20, 0, keys[-1]])
    assert (segments.locate(strange) < 0).tolist() == [False, True, True, True, True, False]
    assert segments.cells_of(strange)[1:5].tolist() == [-1] * 4
    found = segments.vectors(strange)
    assert np.isnan(found[1:5]).all()
    np.testing.assert_array_equal(found[[0, -1]], vectors[[0, -1]])
    assert segments.has_batches_of(strange[[0, 1, 2, 5]])
    assert not segments.has_batches_of(strange)


def test_a_scan_is_what_scoring_all_vectors_of_the_cells_gives(
    generation: Generation, segments: LiveSegments
) -> None:
    keys, vectors = all_of(generation)
    cells = generation.bundle.space("chip").cells.assign(vectors)
    query = clustered(1, 77)[0]
    for opened in ([], [int(cells[0])], list(range(10))):
        inside = np.isin(cells, opened)
        for size in (1, 5, 1000):
            expected = top(keys[inside], exact_scores(query, vectors[inside]), size)
            found = segments.scan(query, opened, size)
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_an_archive_without_anything_has_no_places(tmp_path: Path) -> None:
    segments = embedded_generation(tmp_path).reader.segments("chip")
    assert segments.locate(np.array([1 << 20])).tolist() == [-1]
    assert segments.locate(np.empty(0, np.int64)).tolist() == []
    assert len(segments.sample(10)) == 0
    assert len(segments.scan(stored(clustered(1))[0], [1, 2], 5)[0]) == 0
    assert not segments.has_batches_of(np.array([1 << 20]))
