"""One generation is brought over into another, by its vectors or by its images."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from indexer.audit import audit
from indexer.delete import delete
from indexer.errors import DifferenceError
from indexer.progress import Progress
from indexer.recode import Recoding
from indexer.reencode import Reencoding
from indexer.succession import Bring, Succession
from scenestore.batch import Batch
from scenestore.entry import Identity
from scenestore.errors import ClosedError
from scenestore.filters import ANY
from sgpd.errors import BundleError
from tests.indexer.archive import SMALL, TestArchive, fitted, save_captions, save_picture
from tests.indexer.colours import ColourEncoder

WAYS = ["vectors", "images"]


def bring(way: str, old: TestArchive, new: TestArchive) -> Bring:
    if way == "vectors":
        return Recoding(old.generation, new.generation)
    return Reencoding(new.generation, old.ledger, ColourEncoder, SMALL)


def recode(
    old: TestArchive, new: TestArchive, progress: Progress | None = None, way: str = "vectors"
) -> int:
    with Succession(old.generation, new.generation, bring(way, old, new)) as succession:
        count = succession.carry(progress)
        succession.check()
    return count


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


@pytest.mark.parametrize("way", WAYS)
def test_the_new_generation_is_as_if_indexed_with_the_new_bundle(
    old: TestArchive, new: TestArchive, tmp_path: Path, way: str
) -> None:
    recode(old, new, way=way)
    fresh = TestArchive.embedded(tmp_path / "fresh", old.source, bundle=fitted(5))
    fresh.index(captions=tmp_path / "c.jsonl")
    assert new.contents() == fresh.contents()
    assert audit(new.generation).clean


def test_dead_entries_and_tombstones_are_left_behind(old: TestArchive, new: TestArchive) -> None:
    recode(old, new)
    batches = list(new.generation.folders())
    assert sum(sum(batch.rows.values()) for batch in batches) == 19 + 1
    assert not any(batch.tombstones for batch in batches)


def test_thumbnails_go_with_their_entries(old: TestArchive, new: TestArchive) -> None:
    recode(old, new)
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
    recode(old, new)
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
        recode(old, new, stop)
    written = [batch.ordinal for batch in new.generation.log.batches()]
    assert len(written) == 2
    count = recode(old, new)
    plans = [batch.plan for batch in new.generation.log.batches()]
    assert plans == [f"g1-{batch.ordinal}" for batch in old.generation.log.batches()]
    assert len(plans) == 2 + count
    assert [batch.ordinal for batch in new.generation.log.batches()][:2] == written
    assert new.index().unchanged == 19


def test_a_bundle_of_another_encoder_is_refused(old: TestArchive, tmp_path: Path) -> None:
    foreign = dataclasses.replace(fitted(5), encoder="colours:2")
    new = TestArchive.embedded(tmp_path / "home", old.source, "g2", foreign)
    with pytest.raises(BundleError, match="colours:2"):
        recode(old, new)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_later_is_brought_over_as_well(
    old: TestArchive, new: TestArchive, tmp_path: Path, way: str
) -> None:
    recode(old, new, way=way)
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": [], "04.jpg": ["d"]})
    save_picture(old.source / "06.jpg", 60)
    save_picture(old.source / "new.png", 61)
    (old.source / "09.png").unlink()
    old.index()
    delete(old.generation, old.ledger, ["12.jpg"])
    assert recode(old, new, way=way) > 0
    assert recode(old, new, way=way) == 0
    fresh = TestArchive.embedded(tmp_path / "fresh", old.source, bundle=fitted(5))
    fresh.index(captions=captions)
    delete(fresh.generation, fresh.ledger, ["12.jpg"])
    assert new.contents() == fresh.contents()
    assert audit(new.generation).clean


@pytest.mark.parametrize("way", WAYS)
def test_there_and_back_again_brings_over_only_what_is_new(
    old: TestArchive, new: TestArchive, tmp_path: Path, way: str
) -> None:
    recode(old, new, way=way)
    before = list(old.generation.log.batches())
    assert recode(new, old, way=way) == 0
    save_picture(new.source / "new.png", 61)
    new.index()
    assert recode(new, old, way=way) == 1
    assert list(old.generation.log.batches())[:-1] == before
    assert recode(old, new, way=way) == 0
    assert old.contents().keys() == new.contents().keys()


def test_documents_of_a_batch_that_never_came_into_the_log_do_not_count(
    old: TestArchive, new: TestArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = new_contents_after_recoding(old, new)
    save_picture(old.source / "00.jpg", 99)
    documents = old.generation.documents
    write = documents.write

    def write_and_be_too_late(batch: Batch) -> None:
        write(batch)
        old.generation.log.close("g2")

    monkeypatch.setattr(documents, "write", write_and_be_too_late)
    with pytest.raises(ClosedError, match="g1 takes no more writes, g2 takes its place"):
        old.index()
    third = TestArchive.embedded(old.source.parent / "home", old.source, "g3", fitted(5))
    assert new_contents_after_recoding(old, third) == before


def new_contents_after_recoding(old: TestArchive, new: TestArchive) -> dict[str, object]:
    recode(old, new)
    return new.contents()


def test_of_two_writes_the_newer_counts_however_late_the_older_is_logged(
    old: TestArchive, new: TestArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = old.generation.log.claim()
    save_picture(old.source / "new.png", 1)
    old.index()
    expected = old.contents()
    recode(old, new)
    # A batch with an older write of the same scene comes in only now.
    other = TestArchive.embedded(old.source.parent / "other", old.source)
    monkeypatch.setattr(type(other.generation.log), "claim", lambda log: late)
    save_picture(old.source / "new.png", 2)
    for path in old.source.rglob("*.jpg"):
        path.unlink()
    for path in old.source.rglob("[0-9]*.png"):
        path.unlink()
    other.index()
    monkeypatch.undo()
    (batch,) = other.generation.folders()
    old.generation.store.publish(batch.folder.whole(), batch.name)
    old.generation.complete(old.generation.batch(late))
    assert old.contents() == expected
    assert recode(old, new) == 1
    found = new.contents()
    who = Identity("chip", "default", "new.png").canonical()
    assert found[who][-1] == expected[who][-1]


def test_scenes_that_only_one_of_them_has_are_counted_and_named(
    old: TestArchive, new: TestArchive
) -> None:
    recode(old, new)
    delete(new.generation, new.ledger, ["00.jpg", "06.jpg"])
    with pytest.raises(DifferenceError, match=r"g1 has 2 scenes .*default/00.jpg, default/06.jpg"):
        recode(old, new)


def test_an_image_that_is_gone_is_named_and_once_it_is_back_tried_again(
    old: TestArchive, new: TestArchive
) -> None:
    image = old.source / "06.jpg"
    image.rename(old.source / "away")
    with pytest.raises(DifferenceError, match=r"g1 has 1 scenes .*default/06.jpg"):
        recode(old, new, way="images")
    (old.source / "away").rename(image)
    with Succession(old.generation, new.generation, bring("images", old, new)) as succession:
        assert succession.carry() == 0
        assert succession.retry() == 1
        succession.check()
        assert succession.retry() == 0
    assert audit(new.generation).clean
    assert old.contents().keys() == new.contents().keys()
