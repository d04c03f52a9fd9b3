"""The batch folders alone give everything back."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from indexer.audit import audit
from indexer.delete import delete
from indexer.rebuild import rebuild
from scenestore.errors import DamagedError, StoreError
from tests.indexer.archive import TestArchive, fitted, save_captions, save_picture


@pytest.fixture
def eventful(archive: TestArchive, tmp_path: Path) -> TestArchive:
    """An archive with an update, a failure and a delete in its log."""
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"], "03.png": ["c"]})
    archive.index(captions=captions)
    save_captions(captions, {"00.jpg": ["b"], "03.png": ["c"]})
    (archive.source / "06.jpg").write_text("no image")
    archive.index()
    delete(archive.generation, archive.ledger, ["03.png"])
    return archive


def test_documents_are_made_again_from_the_batches(eventful: TestArchive) -> None:
    before = eventful.contents()
    seen: list[int] = []
    count = rebuild(eventful.generation, lambda done, total, rate: seen.append(done))
    assert eventful.contents() == before
    assert seen[-1] == 2 * count == 2 * len(list(eventful.generation.log.batches()))


def test_a_lost_log_is_restored_and_its_ordinals_are_not_used_again(
    eventful: TestArchive, tmp_path: Path
) -> None:
    before = eventful.contents()
    used = eventful.generation.log.claim()
    for path in (tmp_path / "home").glob("*.sqlite*"):
        path.unlink()
    again = TestArchive.embedded(tmp_path / "home", eventful.source)
    rebuild(again.generation)
    assert again.contents() == before
    assert audit(again.generation).clean
    assert again.generation.log.claim() == used
    save_picture(again.source / "new.png", 9)
    assert again.index(captions=tmp_path / "c.jsonl").indexed == 1


def test_a_rebuild_brings_in_what_a_dead_writer_left(
    archive: TestArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archive.generation, "complete", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            archive.index()
    rebuild(archive.generation)
    assert archive.generation.documents.outcome_counts()["indexed"] == 8
    assert audit(archive.generation).clean


@pytest.mark.parametrize("after", [1, 6])
def test_a_rebuild_that_is_stopped_leaves_the_old_index_and_can_be_run_again(
    eventful: TestArchive, after: int
) -> None:
    before = eventful.contents()

    def stop(done: int, total: int, rate: float) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(eventful.generation, stop)
    other = TestArchive.embedded(eventful.source.parent / "home", eventful.source)
    assert other.contents() == before
    rebuild(eventful.generation)
    assert eventful.contents() == before
    assert audit(eventful.generation).clean


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_a_batch_edited_by_hand_is_named_and_nothing_is_changed(eventful: TestArchive) -> None:
    before = eventful.contents()
    folder = next(iter(eventful.batches.glob("00000001-*")))
    vectors = folder / "chip" / "vectors.ivf"
    content = bytearray(vectors.read_bytes())
    content[-1] ^= 1
    vectors.write_bytes(content)
    with pytest.raises(DamagedError, match=r"00000001-.*vectors\.ivf was changed"):
        rebuild(eventful.generation)
    assert eventful.contents().keys() == before.keys()


def test_without_batches_there_is_nothing_to_rebuild_from(archive: TestArchive) -> None:
    with pytest.raises(StoreError, match="holds no batches to rebuild from"):
        rebuild(archive.generation)


def test_another_bundle_is_refused_with_both_digests(eventful: TestArchive, tmp_path: Path) -> None:
    other = TestArchive.embedded(tmp_path / "home", eventful.source, bundle=fitted(5))
    with pytest.raises(StoreError, match=f"{fitted().digest}, not {fitted(5).digest}"):
        rebuild(other.generation)


def test_an_embedded_archive_moves_to_opensearch_by_its_batches(
    eventful: TestArchive, opensearch: str, tmp_path: Path
) -> None:
    before = eventful.contents()
    prefix = f"t{uuid.uuid4().hex[:12]}"
    moved = TestArchive.opensearch(opensearch, prefix, tmp_path / "home", eventful.source)
    try:
        rebuild(moved.generation)
        assert moved.contents() == before
        assert audit(moved.generation).findings == ()
        assert moved.index(captions=tmp_path / "c.jsonl").unchanged == 18
    finally:
        moved.generation.documents.drop()
        moved.ledger.delete("ordinals")
