"""A new bundle of the same encoder codes the stored vectors anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from indexer.audit import audit
from indexer.recode import recode
from scenestore.entry import Identity
from scenestore.filters import ANY
from sgpd.errors import BundleError
from tests.indexer.archive import TestArchive, fitted, save_captions, save_picture


@pytest.fixture
def old(archive: TestArchive, tmp_path: Path) -> TestArchive:
    """An archive with an update in its log."""
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"]})
    archive.index(captions=captions)
    save_captions(captions, {"00.jpg": ["c"]})
    save_picture(archive.source / "coast/01.png", 50)
    (archive.source / "03.png").unlink()
    archive.index()
    return archive


@pytest.fixture
def new(old: TestArchive, tmp_path: Path) -> TestArchive:
    """An empty generation with another bundle beside it."""
    return TestArchive.embedded(tmp_path / "home", old.source, "g2", fitted(5))


def test_a_recoded_generation_is_as_if_indexed_with_the_new_bundle(
    old: TestArchive, new: TestArchive, tmp_path: Path
) -> None:
    recode(old.generation, new.generation)
    fresh = TestArchive.embedded(tmp_path / "fresh", old.source, bundle=fitted(5))
    fresh.index(captions=tmp_path / "c.jsonl")
    assert new.contents() == fresh.contents()
    assert audit(new.generation).clean


def test_dead_entries_and_tombstones_are_left_behind(old: TestArchive, new: TestArchive) -> None:
    recode(old.generation, new.generation)
    batches = list(new.generation.folders())
    assert sum(sum(batch.rows.values()) for batch in batches) == 19 + 1
    assert not any(batch.tombstones for batch in batches)


def test_thumbnails_go_with_their_entries(old: TestArchive, new: TestArchive) -> None:
    recode(old.generation, new.generation)
    for kind in ("chip", "caption"):
        for key, id in old.generation.documents.live(kind):
            found = new.generation.documents.lookup(id)
            assert found is not None
            (entry,) = old.generation.documents.fetch(kind, [key], ANY).values()
            packs = [
                archive.generation.batch(k >> 20).thumbnail(e.thumbnail or 0)
                for archive, k, e in ((old, key, entry), (new, found.key, found.entry))
            ]
            assert packs[0] == packs[1]


def test_vectors_stay_bit_for_bit(old: TestArchive, new: TestArchive) -> None:
    recode(old.generation, new.generation)
    who = Identity("chip", "default", "00.jpg").id
    vectors = []
    for archive in (old, new):
        found = archive.generation.documents.lookup(who)
        assert found is not None
        segments = archive.generation.reader.segments("chip")
        vectors.append(segments.vectors(np.array([found.key])))
    assert np.array_equal(vectors[0], vectors[1])


def test_recoding_that_was_interrupted_goes_on(old: TestArchive, new: TestArchive) -> None:
    def stop(done: int, total: int, rate: float) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recode(old.generation, new.generation, stop)
    written = [batch.ordinal for batch in new.generation.log.batches()]
    assert len(written) == 2
    count = recode(old.generation, new.generation)
    plans = [batch.plan for batch in new.generation.log.batches()]
    assert plans == [f"g1-{batch.ordinal}" for batch in old.generation.log.batches()]
    assert len(plans) == count
    assert [batch.ordinal for batch in new.generation.log.batches()][:2] == written
    assert new.index().unchanged == 19


def test_a_bundle_of_another_encoder_is_refused(old: TestArchive, tmp_path: Path) -> None:
    foreign = dataclasses.replace(fitted(5), encoder="colours:2")
    new = TestArchive.embedded(tmp_path / "home", old.source, "g2", foreign)
    with pytest.raises(BundleError, match="colours:2"):
        recode(old.generation, new.generation)
