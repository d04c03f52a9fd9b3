"""Compaction changes where vectors lie, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from scenestore.compaction import collect_garbage, compact, remake
from scenestore.entry import Identity
from scenestore.errors import DamagedError, StoreError
from scenestore.generation import Generation
from scenestore.reader import SegmentReader
from tests.builders import content, embedded_generation, folder_of, publish
from tests.vectors import clustered


@pytest.fixture
def generation(tmp_path: Path) -> Generation:
    """Eight batches of five chips; one chip deleted, one replaced by the eighth batch."""
    generation = embedded_generation(tmp_path)
    for number in range(7):
        scenes = [f"s{number}{i}" for i in range(5)]
        publish(generation, scenes, clustered(5, seed=number))
    gone = [Identity("chip", "c", "s01")]
    publish(generation, ["s00", "s70"], clustered(2, seed=7), tombstones=gone)
    return generation


def test_a_full_tier_becomes_one_segment_without_what_is_dead(generation: Generation) -> None:
    live = [key for key, _ in generation.documents.live("chip")]
    vectors = generation.reader.segments("chip").vectors(np.array(live))
    assert compact(generation)
    (segment,) = generation.reader.segments("chip")
    assert sorted(segment.keys.tolist()) == live
    assert np.array_equal(segment.vectors(segment.positions(np.array(live))), vectors)
    assert not compact(generation)


def test_postings_of_the_segment_are_those_of_its_rows(generation: Generation) -> None:
    before = list(generation.reader.segments("chip"))
    terms = np.arange(96, dtype=np.uint32)
    weights = np.linspace(1, 2, 96, dtype=np.float32)
    expected: dict[int, float] = {}
    for part in before:
        positions, scores = part.postings.scores(terms, weights)
        expected |= dict(zip(part.keys[positions].tolist(), scores.tolist(), strict=True))
    compact(generation)
    (segment,) = generation.reader.segments("chip")
    positions, scores = segment.postings.scores(terms, weights)
    found = dict(zip(segment.keys[positions].tolist(), scores.tolist(), strict=True))
    assert found == {key: expected[key] for key in segment.keys.tolist()}


def test_the_batches_stay_the_truth(generation: Generation) -> None:
    logged = list(generation.log.batches())
    compact(generation)
    assert list(generation.log.batches()) == logged
    for batch in generation.folders():
        batch.verify()


def test_seven_small_segments_are_left_alone(tmp_path: Path) -> None:
    generation = embedded_generation(tmp_path)
    for number in range(7):
        publish(generation, [f"s{number}"], clustered(1, seed=number))
    assert not compact(generation)


def test_replaced_segments_go_when_no_reader_can_want_them(generation: Generation) -> None:
    compact(generation)
    for number in range(10, 17):
        publish(generation, [f"t{number}"], clustered(1, seed=number))
    (old,) = folder_of(generation).glob("s-*")
    assert compact(generation)
    assert collect_garbage(generation) == 0
    assert old.is_dir()
    os.utime(folder_of(generation) / f"retired-{old.name}", (0, 0))
    assert collect_garbage(generation) == 1
    assert not old.exists()
    assert len(generation.reader.segments("chip")) == 42


def test_an_attempt_that_another_overtook_goes_too(tmp_path: Path) -> None:
    generation = embedded_generation(tmp_path)
    late = generation.log.claim()
    newest = publish(generation, ["a"], clustered(1), plan="plan")
    lost = generation.seal(content(generation, late, ["a"], clustered(1), plan="plan"))
    collect_garbage(generation)
    os.utime(folder_of(generation) / f"retired-{lost.name}", (0, 0))
    assert collect_garbage(generation) == 1
    assert [batch.ordinal for batch in generation.folders()] == [newest]
    assert not list(folder_of(generation).glob("retired-*"))


def test_a_segment_is_made_again_though_an_attempt_in_it_was_overtaken(tmp_path: Path) -> None:
    generation = embedded_generation(tmp_path)
    for number in range(8):
        publish(generation, [f"s{number}"], clustered(1, seed=number), plan=f"plan-{number}")
    assert compact(generation)
    publish(generation, ["s0"], clustered(1, seed=20), plan="plan-0")
    (segment,) = generation.log.head().segments
    collect_garbage(generation)
    for mark in folder_of(generation).glob("retired-*"):
        os.utime(mark, (0, 0))
    collect_garbage(generation)
    remake(generation, segment)
    assert sorted(len(part) for part in generation.reader.segments("chip")) == [1, 7]


def test_a_reader_that_slept_through_the_grace_follows(generation: Generation) -> None:
    compact(generation)
    store = generation.store
    slow = SegmentReader(generation.bundle, generation.log, store)
    slow.head()
    for number in range(10, 17):
        publish(generation, [f"t{number}"], clustered(1, seed=number))
    (replaced,) = store.names("s-")
    compact(generation)
    store.remove(replaced)
    assert len(slow.segments("chip")) == 42
    (live,) = store.names("s-")
    store.remove(live)
    with pytest.raises(DamagedError, match=f"{live}.*missing; run `scenesift audit`") as gone:
        SegmentReader(generation.bundle, generation.log, store).segments("chip")
    assert "\n" not in str(gone.value)


def test_a_disk_that_takes_no_more_is_said_and_searches_go_on(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StoreError, match="No space left"):
        compact(generation)
    assert len(list(generation.reader.segments("chip"))) == 8
    assert not list(folder_of(generation).glob(".writing-*"))
