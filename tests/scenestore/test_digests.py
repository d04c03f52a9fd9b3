"""Log, segments and index each say which bundle they were made with; another is refused."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.audit import audit
from scenestore.errors import StoreError
from scenestore.log import LoggedSegment
from tests.indexer.archive import TestArchive, fitted, save_picture

OURS, OTHER = fitted(), fitted(5)
BOTH = rf"{OURS.digest}, not {OTHER.digest}"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Nine pictures: two batches."""
    for number in range(9):
        save_picture(tmp_path / f"pictures/{number}.png", number)
    return tmp_path / "pictures"


@pytest.fixture
def indexed(tmp_path: Path, source: Path) -> TestArchive:
    archive = TestArchive.embedded(tmp_path / "home", source)
    archive.index()
    return archive


@pytest.fixture
def prefix(opensearch: str) -> Iterator[str]:
    """A prefix of index names, whose indices are deleted afterwards."""
    from opensearchpy import OpenSearch

    prefix = f"t{uuid.uuid4().hex[:12]}"
    yield prefix
    client = OpenSearch(opensearch)
    for index in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=index)
    client.close()


def test_a_log_of_another_bundle_is_refused(indexed: TestArchive, tmp_path: Path) -> None:
    other = TestArchive.embedded(tmp_path / "home", indexed.source, bundle=OTHER)
    with pytest.raises(StoreError, match=rf"log of generation g1 was made with bundle {BOTH}"):
        other.generation.reader.segments("chip")


def test_an_embedded_index_of_another_bundle_is_refused(
    indexed: TestArchive, tmp_path: Path
) -> None:
    other = TestArchive.embedded(tmp_path / "home", indexed.source, bundle=OTHER)
    for refused in (other.generation.documents.check, other.generation.documents.create):
        with pytest.raises(StoreError, match=rf"g1\.sqlite was made with bundle {BOTH}"):
            refused()
    indexed.generation.documents.check()


def test_an_opensearch_index_of_another_bundle_is_refused(
    opensearch: str, prefix: str, source: Path, tmp_path: Path
) -> None:
    mine = TestArchive.opensearch(opensearch, prefix, tmp_path / "home", source)
    mine.generation.documents.check()  # nothing is there yet
    mine.generation.create()
    mine.generation.documents.check()
    other = TestArchive.opensearch(opensearch, prefix, tmp_path / "home", source, bundle=OTHER)
    for refused in (other.generation.documents.check, other.generation.documents.create):
        with pytest.raises(
            StoreError, match=rf"index {prefix}-g1-\S+ at .* made with bundle {BOTH}"
        ):
            refused()


def test_a_batch_of_another_bundle_in_the_place_of_ours_is_refused_and_found(
    indexed: TestArchive, source: Path, tmp_path: Path
) -> None:
    other = TestArchive.embedded(tmp_path / "other", source, bundle=OTHER)
    other.index()
    ours, theirs = (next(iter(archive.batches.glob("00000001-*"))) for archive in (indexed, other))
    shutil.rmtree(ours)
    shutil.copytree(theirs, indexed.batches / theirs.name)
    (finding,) = audit(indexed.generation).findings
    assert finding.fault == "batch folders damaged"
    _put_in_the_log(indexed, theirs.name)
    (finding,) = audit(indexed.generation).findings
    assert f"made with bundle {OTHER.digest}, not {OURS.digest}" in finding.examples[0]
    with pytest.raises(StoreError, match=rf"made with bundle {OTHER.digest}, not {OURS.digest}"):
        indexed.generation.reader.segments("chip")


def test_a_compacted_segment_of_another_bundle_is_refused_and_made_again(
    indexed: TestArchive, source: Path, tmp_path: Path
) -> None:
    for archive in (indexed, other := TestArchive.embedded(tmp_path / "o", source, bundle=OTHER)):
        for number in range(9):
            save_picture(source / "more.png", 100 + number)
            archive.index()
    before = indexed.contents()
    (theirs,) = other.batches.glob("s-*")
    shutil.copytree(theirs, indexed.batches / theirs.name)
    (segment,) = indexed.generation.log.head().segments
    indexed.generation.reader.remember(
        indexed.generation.log.compacted(LoggedSegment(theirs.name, segment.ordinals, segment.rows))
    )
    wrong = rf"made with bundle {OTHER.digest}, not {OURS.digest}"
    with pytest.raises(StoreError, match=wrong):
        indexed.generation.reader.segments("chip")
    assert audit(indexed.generation, repair=True).clean
    assert indexed.contents() == before


def _put_in_the_log(archive: TestArchive, folder: str) -> None:
    """Let the log name another folder for its first batch."""
    record = archive.ledger.read("log-g1")
    assert record is not None
    record.value["batches"][0]["folder"] = folder
    archive.ledger.write("log-g1", record.value, record.version)
    archive.generation.reader.head(fresh=True)
