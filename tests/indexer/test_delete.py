"""Deleting scenes on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from indexer.audit import audit
from indexer.delete import delete
from indexer.errors import NotFoundError
from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.entry import Identity
from scenestore.log import Log
from tests.indexer.archive import TestArchive, save_captions, save_picture


@pytest.fixture
def filled(archive: TestArchive, tmp_path: Path) -> TestArchive:
    archive.index(captions=save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"]}))
    return archive


@pytest.mark.parametrize(
    "target",
    [
        "00.jpg",
        Identity("chip", "default", "00.jpg").id,
        Identity("caption", "default", "00.jpg", 1).id,
    ],
)
def test_a_scene_goes_with_all_its_entries(filled: TestArchive, target: str) -> None:
    assert delete(filled.generation, filled.ledger, [target]) == [("default", "00.jpg")]
    documents = filled.generation.documents
    assert documents.identities([("default", "00.jpg")]) == {}
    assert documents.outcome_counts() == {"indexed": 19, "skipped": 1, "failed": 0}
    assert audit(filled.generation).clean


def test_what_was_deleted_stays_out_until_it_is_asked_for(filled: TestArchive) -> None:
    delete(filled.generation, filled.ledger, ["00.jpg"])
    summary = filled.index()
    assert (summary.settled, summary.indexed) == (1, 0)
    (filled.source / "00.jpg").write_bytes((filled.source / "06.jpg").read_bytes())
    assert filled.index(retry=["failed"]).settled == 1
    summary = filled.index(retry=["skipped"])
    assert (summary.updated, summary.captions) == (1, 2)
    assert filled.generation.documents.outcome_counts()["indexed"] == 20


def test_a_deleted_scene_whose_file_goes_too_is_forgotten(filled: TestArchive) -> None:
    delete(filled.generation, filled.ledger, ["00.jpg"])
    (filled.source / "00.jpg").unlink()
    assert filled.index().deleted == 1
    assert filled.generation.documents.outcome_counts()["skipped"] == 0


def test_an_unknown_target_deletes_nothing(filled: TestArchive) -> None:
    with pytest.raises(NotFoundError, match=r"'nowhere\.png' is neither a scene nor an entry"):
        delete(filled.generation, filled.ledger, ["00.jpg", "nowhere.png"])
    assert filled.generation.documents.outcome_counts()["indexed"] == 20


def test_a_scene_of_two_collections_must_be_told_apart(filled: TestArchive) -> None:
    filled.index(collection="second")
    with pytest.raises(NotFoundError, match=r"several collections \(default, second\)"):
        delete(filled.generation, filled.ledger, ["00.jpg"])
    found = delete(filled.generation, filled.ledger, ["00.jpg"], collection="second")
    assert found == [("second", "00.jpg")]
    assert filled.generation.documents.outcome_counts()["indexed"] == 39


def test_in_an_empty_archive_there_is_nothing_to_delete(archive: TestArchive) -> None:
    with pytest.raises(NotFoundError, match="nothing is indexed yet"):
        delete(archive.generation, archive.ledger, ["00.jpg"])


@pytest.mark.parametrize("moment", ["before the claim", "before the documents", "after the log"])
def test_a_scene_that_is_deleted_while_it_is_indexed_stays_out(
    archive: TestArchive, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The delete comes between two steps of a writer that found the scene before."""
    archive.index()
    save_picture(archive.source / "00.jpg", 99)
    captions = save_captions(archive.source.parent / "c.jsonl", {"00.jpg": ["new", "too"]})
    owner, step = {
        "before the claim": (Log, "claim"),
        "before the documents": (EmbeddedDocuments, "write"),
        "after the log": (Log, "append"),
    }[moment]
    original = getattr(owner, step)

    def raced(self: Any, *args: Any) -> Any:
        monkeypatch.setattr(owner, step, original)
        if moment == "after the log":
            original(self, *args)
        other = TestArchive.embedded(archive.source.parent / "home", archive.source)
        delete(other.generation, other.ledger, ["00.jpg"])
        return original(self, *args)

    monkeypatch.setattr(owner, step, raced)
    archive.index(captions=captions)
    assert archive.generation.documents.identities([("default", "00.jpg")]) == {}
    assert archive.generation.documents.outcome_counts()["skipped"] == 1
    assert audit(archive.generation).clean
