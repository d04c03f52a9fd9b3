"""Indexing a folder, again and again."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.audit import audit
from indexer.errors import CollectionError, SourceError
from indexer.pipeline import PipelineSettings
from scenestore.entry import Identity
from scenestore.filters import ANY
from sgpd.embeddings import checked, stored
from sgpd.errors import BundleError, EncoderError
from tests.indexer.archive import TestArchive, save_captions, save_picture
from tests.indexer.colours import ColourEncoder


def ordinals(archive: TestArchive) -> list[int]:
    return [batch.ordinal for batch in archive.generation.log.batches()]


def test_every_image_becomes_a_chip_with_the_vector_of_its_pixels(archive: TestArchive) -> None:
    summary = archive.index()
    assert (summary.indexed, summary.failed, summary.chips, summary.captions) == (20, 0, 20, 0)
    documents = archive.generation.documents
    assert documents.outcome_counts() == {"indexed": 20, "skipped": 0, "failed": 0}
    who = Identity("chip", "default", "coast/north/02.jpg")
    found = documents.lookup(who.id)
    assert found is not None
    assert found.entry.source == "coast/north/02.jpg"
    assert found.entry.top_terms
    encoder = ColourEncoder()
    pixels = np.asarray(Image.open(archive.source / "coast/north/02.jpg").convert("RGB"))
    expected = stored(checked(encoder.encode_images([pixels])))
    vectors = archive.generation.reader.segments("chip").vectors(np.array([found.key]))
    assert np.array_equal(vectors, expected)


def test_captions_are_entries_of_their_own_with_the_thumbnail_of_the_scene(
    archive: TestArchive, tmp_path: Path
) -> None:
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a harbor", "boats"], "no.png": []})
    summary = archive.index(captions=captions)
    assert (summary.chips, summary.captions) == (20, 2)
    assert any("no.png" in note for note in summary.notes)
    documents = archive.generation.documents
    entries = documents.fetch("caption", [key for key, _ in documents.live("caption")], ANY)
    assert sorted(entry.caption or "" for entry in entries.values()) == ["a harbor", "boats"]
    chip = documents.lookup(Identity("chip", "default", "00.jpg").id)
    assert chip is not None
    batch = archive.generation.batch(ordinals(archive)[0])
    for entry in entries.values():
        assert entry.thumbnail == chip.entry.thumbnail
        thumbnail = Image.open(io.BytesIO(batch.thumbnail(entry.thumbnail or 0)))
        assert thumbnail.size == (24, 20)


def test_a_second_run_changes_nothing(archive: TestArchive) -> None:
    archive.index()
    log = archive.generation.log.head()
    summary = archive.index()
    assert (summary.unchanged, summary.indexed, summary.updated, summary.chips) == (20, 0, 0, 0)
    assert archive.generation.log.head() == log
    assert archive.generation.log.claim() == max(ordinals(archive)) + 1


def test_new_changed_and_deleted_images_are_followed(archive: TestArchive) -> None:
    archive.index()
    save_picture(archive.source / "new.png", 77)
    save_picture(archive.source / "00.jpg", 78)
    (archive.source / "coast" / "01.png").unlink()
    summary = archive.index()
    assert (summary.indexed, summary.updated, summary.deleted, summary.unchanged) == (1, 1, 1, 18)
    fresh = TestArchive.embedded(archive.source.parent / "fresh", archive.source)
    fresh.index()
    assert archive.contents() == fresh.contents()
    assert audit(archive.generation).clean


def test_a_touched_file_is_not_encoded_again(archive: TestArchive) -> None:
    archive.index()
    for path in archive.source.rglob("*.png"):
        os.utime(path, ns=(1, 1))
    before = archive.contents()
    summary = archive.index()
    assert (summary.unchanged, summary.updated, summary.chips) == (20, 0, 0)
    assert archive.contents() == before
    batches = len(ordinals(archive))
    archive.index()
    assert len(ordinals(archive)) == batches  # the new time is known by now


def test_fewer_captions_leave_no_entry_behind(archive: TestArchive, tmp_path: Path) -> None:
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b", "c"], "03.png": ["d"]})
    archive.index(captions=captions)
    save_captions(captions, {"00.jpg": ["b"]})
    summary = archive.index(captions=captions)
    assert (summary.updated, summary.unchanged) == (2, 18)
    documents = archive.generation.documents
    entries = documents.fetch("caption", [key for key, _ in documents.live("caption")], ANY)
    assert [entry.caption for entry in entries.values()] == ["b"]
    assert audit(archive.generation).clean


def test_the_captions_file_used_last_is_used_again(archive: TestArchive, tmp_path: Path) -> None:
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a"]})
    archive.index(captions=captions)
    assert archive.index().unchanged == 20


def test_captions_of_another_folder_do_not_take_out_those_of_this(
    archive: TestArchive, tmp_path: Path
) -> None:
    archive.index(captions=save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"]}))
    before = archive.contents()
    other = save_captions(tmp_path / "other.jsonl", {"elsewhere/00.jpg": ["c"]})
    with pytest.raises(CollectionError, match=r"other\.jsonl: none of its 1 images .* 2 captions"):
        archive.index(captions=other)
    assert archive.contents() == before


def test_captions_are_not_lost_with_the_memory_of_their_file(
    archive: TestArchive, tmp_path: Path
) -> None:
    archive.index(captions=save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a"]}))
    archive.ledger.delete("collection-default")
    with pytest.raises(CollectionError, match="1 captions of collection default"):
        archive.index()


def test_bad_images_fail_alone_and_say_why(archive: TestArchive) -> None:
    (archive.source / "empty.png").write_bytes(b"")
    (archive.source / "text.jpg").write_text("hello")
    (archive.source / "link.png").symlink_to("nowhere")
    with open(os.fsencode(archive.source) + b"/caf\xe9.png", "wb") as file:  # noqa: PTH123
        file.write((archive.source / "00.jpg").read_bytes())
    summary = archive.index()
    assert (summary.indexed, summary.failed) == (20, 4)
    reasons = {failure.scene: failure.reason for failure in summary.failures}
    assert reasons == {
        "caf\\xe9.png": "its path is not UTF-8; rename it",
        "empty.png": "the file is empty",
        "link.png": "cannot be read: No such file or directory; permit reading it, or remove it",
        "text.jpg": "not an image of a known format; JPEG, PNG, TIFF, WebP, JPEG 2000, BMP, GIF, "
        "AVIF and PPM are read",
    }
    assert archive.generation.documents.outcome_counts()["failed"] == 4


def test_what_failed_is_tried_again_when_it_changed_or_when_asked(archive: TestArchive) -> None:
    bad = archive.source / "bad.png"
    bad.write_text("hello")
    archive.index()
    summary = archive.index()
    assert (summary.failed, summary.settled) == (0, 1)
    summary = archive.index(retry=["failed"])
    assert (summary.failed, summary.settled) == (1, 0)
    save_picture(bad, 5)
    assert archive.index().updated == 1
    assert archive.generation.documents.outcome_counts()["failed"] == 0


def test_an_image_that_became_bad_is_no_longer_found(archive: TestArchive) -> None:
    archive.index()
    (archive.source / "00.jpg").write_text("hello")
    assert archive.index().failed == 1
    assert archive.generation.documents.lookup(Identity("chip", "default", "00.jpg").id) is None


def test_an_image_that_cannot_be_read_today_stays_and_is_read_tomorrow(
    archive: TestArchive,
) -> None:
    archive.index()
    path = archive.source / "00.jpg"
    content = path.read_bytes()
    path.unlink()
    path.symlink_to("away")
    assert archive.index().failed == 1
    who = Identity("chip", "default", "00.jpg").id
    assert archive.generation.documents.lookup(who) is not None
    path.unlink()
    path.write_bytes(content)
    summary = archive.index()
    assert (summary.updated, summary.failed) == (1, 0)


class Moody(ColourEncoder):
    """Cannot stand pictures whose first pixel is red, alone or in company."""

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if any(image[0, 0].tolist() == [255, 0, 0] for image in images):
            raise RuntimeError("shape mismatch\nsomewhere deep")
        return super().encode_images(images)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if "red" in texts:
            raise IndexError("index out of range in self")
        return super().encode_texts(texts)


def test_what_the_model_cannot_encode_fails_alone(archive: TestArchive, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20), (255, 0, 0)).save(archive.source / "red.png")
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["fine", "red"], "03.png": ["good"]})
    summary = archive.index(encoder=Moody(), captions=captions)
    assert {failure.scene: failure.reason for failure in summary.failures} == {
        "00.jpg": "caption 1 cannot be encoded: index out of range in self",
        "red.png": "cannot be encoded: shape mismatch somewhere deep",
    }
    assert (summary.indexed, summary.captions) == (19, 1)


class Broken(ColourEncoder):
    """A model on a device that is gone."""

    def encode_images(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        raise RuntimeError("device lost")


def test_a_broken_model_stops_the_run_instead_of_failing_every_image(archive: TestArchive) -> None:
    with pytest.raises(EncoderError, match="the model can encode nothing: device lost"):
        archive.index(encoder=Broken())
    assert archive.generation.documents.outcome_counts()["failed"] == 0


class Foreign(ColourEncoder):
    """Another model."""

    identity = "colours:2"


def test_an_encoder_that_the_bundle_does_not_belong_to_is_refused(archive: TestArchive) -> None:
    with pytest.raises(BundleError, match="colours:1, not colours:2"):
        archive.index(encoder=Foreign())


def test_a_dry_run_tells_and_writes_nothing(archive: TestArchive, tmp_path: Path) -> None:
    (archive.source / "bad.png").write_text("hello")
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"]})
    summary = archive.index(captions=captions, dry_run=True)
    assert (summary.dry_run, summary.indexed, summary.failed) == (True, 20, 1)
    assert (summary.chips, summary.captions) == (20, 2)
    assert not archive.batches.exists()
    assert not archive.generation.log.exists()
    archive.index(captions=captions)
    (archive.source / "00.jpg").unlink()
    before = archive.contents()
    assert archive.index(dry_run=True).deleted == 1
    assert archive.contents() == before


def test_another_folder_does_not_replace_a_collection_by_mistake(
    archive: TestArchive, tmp_path: Path
) -> None:
    archive.index()
    save_picture(tmp_path / "other" / "x.png", 1)
    with pytest.raises(CollectionError, match=r"was indexed from .*pictures, not .*other"):
        archive.index(source=tmp_path / "other")
    assert archive.index(source=tmp_path / "other", collection="second").indexed == 1
    moved = archive.source.rename(tmp_path / "moved")
    assert archive.index(source=moved, moved=True).unchanged == 20
    assert archive.generation.documents.outcome_counts()["indexed"] == 21


def test_a_source_that_is_suddenly_empty_deletes_nothing(archive: TestArchive) -> None:
    archive.index()
    for path in [*archive.source.rglob("*.jpg"), *archive.source.rglob("*.png")]:
        path.unlink()
    with pytest.raises(SourceError, match="holds no images"):
        archive.index()
    save_picture(archive.source / "unrelated.png", 1)
    with pytest.raises(CollectionError, match="none of the 20 scenes of collection default"):
        archive.index()
    assert archive.generation.documents.outcome_counts()["indexed"] == 20


@pytest.mark.parametrize("name", ["", "a b", "../x", "é", "x" * 65])
def test_a_collection_needs_a_plain_name(archive: TestArchive, name: str) -> None:
    with pytest.raises(CollectionError, match="cannot name a collection"):
        archive.index(collection=name)


def test_progress_ends_with_everything_done(archive: TestArchive) -> None:
    seen: list[tuple[int, int]] = []
    archive.index(progress=lambda done, total, rate: seen.append((done, total)))
    assert seen[0] == (0, 20)
    assert seen[-1] == (20, 20)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_batch_sizes_do_not_matter_for_what_is_found(archive: TestArchive, tmp_path: Path) -> None:
    archive.index()
    other = TestArchive.embedded(tmp_path / "other", archive.source)
    other.index(settings=PipelineSettings(scenes_per_batch=1_000, images_per_encoding=7, threads=3))
    assert [len(ordinals(a)) for a in (archive, other)] == [3, 1]
    assert archive.contents() == other.contents()


def test_many_captions_close_a_batch_early(archive: TestArchive, tmp_path: Path) -> None:
    texts = [f"caption {number}" for number in range(30)]
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": texts, "03.png": texts})
    settings = PipelineSettings(entries_per_batch=32, images_per_encoding=4)
    assert archive.index(captions=captions, settings=settings).captions == 60
    assert len(ordinals(archive)) == 2
