"""The audit finds whatever is amiss, and repairs what it can."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.audit import audit
from indexer.captions import read_captions
from indexer.differences import differences
from scenestore.errors import StoreError
from tests.indexer.archive import TestArchive, save_captions, save_picture


@pytest.fixture
def filled(archive: TestArchive, tmp_path: Path) -> TestArchive:
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"]})
    archive.index(captions=captions)
    return archive


def faults(archive: TestArchive) -> dict[str, int]:
    return {finding.fault: finding.count for finding in audit(archive.generation).findings}


def test_a_good_archive_is_clean(filled: TestArchive) -> None:
    report = audit(filled.generation)
    assert report.clean
    assert (report.batches, report.entries, report.scenes) == (3, {"chip": 20, "caption": 2}, 20)


def documents_of(archive: TestArchive) -> sqlite3.Connection:
    path = archive.source.parent / "home" / "g1.sqlite"
    return sqlite3.connect(path, isolation_level=None)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DELETE FROM documents WHERE kind = 'caption'", {"caption documents missing": 2}),
        (
            "UPDATE documents SET key = key + 500 WHERE scene = '00.jpg' AND kind = 'chip'",
            {"chip documents missing": 1, "chip documents without a batch": 1},
        ),
        (
            "INSERT INTO documents (key, id, ordinal, kind, collection, scene, body) "
            "SELECT key + 500, 'x' || id, ordinal, kind, collection, scene, body "
            "FROM documents WHERE scene = '00.jpg' AND kind = 'chip'",
            {"chip documents without a batch": 1},
        ),
        ("DELETE FROM scenes WHERE scene = '00.jpg'", {"outcomes missing": 1}),
        (
            "UPDATE scenes SET status = 'failed' WHERE scene = '00.jpg'",
            {"outcomes missing": 1, "outcomes without a batch": 1},
        ),
    ],
)
def test_documents_that_differ_from_the_log_are_found_and_repaired(
    filled: TestArchive, statement: str, found: dict[str, int]
) -> None:
    before = filled.contents()
    documents_of(filled).execute(statement)
    assert faults(filled) == found
    assert audit(filled.generation, repair=True).clean
    assert filled.contents() == before


def edit(folder: Path) -> None:
    path = folder / "thumbnails.bin"
    path.write_bytes(bytes(path.stat().st_size))


def cut(folder: Path) -> None:
    (folder / "outcomes.parquet").write_bytes(b"")


def add(folder: Path) -> None:
    (folder / "extra").write_bytes(b"x")


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (edit, "batch folders damaged"),
        (cut, "batch folders damaged"),
        (add, "batch folders damaged"),
        (shutil.rmtree, "batch folders missing"),
    ],
)
def test_harm_to_a_batch_folder_is_found_and_cannot_be_repaired(
    filled: TestArchive, harm: Callable[[Path], None], fault: str
) -> None:
    harm(next(iter(filled.batches.glob("00000002-*"))))
    assert faults(filled) == {fault: 1}
    report = audit(filled.generation, repair=True)
    assert [finding.fault for finding in report.findings] == [fault]
    assert "backup" in report.findings[0].examples[0] or fault.endswith("damaged")


def test_a_batch_that_the_log_lacks_is_found_and_completed(
    filled: TestArchive, tmp_path: Path
) -> None:
    other = TestArchive.embedded(tmp_path / "other", filled.source)
    for _ in range(3):
        other.generation.log.claim()
    other.index(collection="second")
    for folder in other.batches.iterdir():
        shutil.copytree(folder, filled.batches / folder.name)
    assert faults(filled) == {"batches not in the log": 3}
    assert audit(filled.generation, repair=True).clean
    assert filled.generation.documents.outcome_counts()["indexed"] == 40


def damage(segment: Path) -> None:
    keys = segment / "chip" / "keys.npy"
    content = bytearray(keys.read_bytes())
    content[-8] ^= 1
    keys.write_bytes(content)


@pytest.mark.parametrize("harm", [damage, shutil.rmtree])
def test_a_compacted_segment_that_is_damaged_or_gone_is_made_again(
    filled: TestArchive, harm: Callable[[Path], None]
) -> None:
    for number in range(8):
        save_picture(filled.source / "more.png", 100 + number)
        filled.index()  # eight small batches more: they are compacted on the way
    assert faults(filled) == {}
    before = filled.contents()
    (segment,) = filled.batches.glob("s-*")
    harm(segment)
    (finding,) = audit(filled.generation).findings
    assert finding.fault == "segments damaged"
    assert "audit --repair" in finding.remedy
    report = audit(filled.generation, repair=True)
    assert report.findings == ()
    assert filled.contents() == before
    # A process that has the damaged one open sees that there is another.
    (again,) = filled.generation.log.head().segments
    assert again.folder != segment.name
    other = TestArchive.embedded(filled.source.parent / "home", filled.source)
    assert other.contents() == before


def test_vectors_that_a_segment_lacks_are_found_and_brought_back(filled: TestArchive) -> None:
    documents_of(filled).execute("UPDATE documents SET kind = NULL WHERE scene = '00.jpg'")
    for number in range(8):
        save_picture(filled.source / "more.png", 100 + number)
        filled.index()  # compacted while the documents were wrong
    assert faults(filled)["chip vectors missing from the segments"] == 1
    assert audit(filled.generation, repair=True).findings == ()
    assert len(filled.contents()) == 21 + 21 + 2


def test_what_cannot_be_made_again_is_said_with_what_to_do(filled: TestArchive) -> None:
    shutil.rmtree(next(iter(filled.batches.glob("00000002-*"))))
    (finding,) = audit(filled.generation, repair=True).findings
    assert finding.remedy.startswith("restore them from a backup, nothing here can make them again")


def test_a_source_is_compared_with_when_it_is_given(filled: TestArchive, tmp_path: Path) -> None:
    captions = read_captions(tmp_path / "c.jsonl")
    sources = {"default": (filled.source, captions)}
    assert audit(filled.generation, sources).clean
    save_picture(filled.source / "new.png", 1)
    save_picture(filled.source / "00.jpg", 2)
    (filled.source / "03.png").unlink()
    found = audit(filled.generation, sources).findings
    assert {finding.fault: finding.examples for finding in found} == {
        "images not indexed": ("new.png",),
        "images changed since they were indexed": ("00.jpg",),
        "scenes gone from the source": ("03.png",),
    }


def test_without_a_log_there_is_nothing_to_compare_with(archive: TestArchive) -> None:
    with pytest.raises(StoreError, match="no log to compare with; run `scenesift rebuild`"):
        audit(archive.generation)


pairs = st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab")), unique=True).map(sorted)


@given(pairs, pairs)
def test_differences_are_those_of_sets(
    left: list[tuple[int, str]], right: list[tuple[int, str]]
) -> None:
    found = list(differences(left, right))
    assert {item for expected, item in found if expected} == set(left) - set(right)
    assert {item for expected, item in found if not expected} == set(right) - set(left)
