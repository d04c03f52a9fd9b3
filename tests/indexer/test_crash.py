"""A writer that is killed between any two steps of writing loses nothing and doubles nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer.audit import audit
from scenestore.opensearch.connection import Options, connect
from tests.indexer.archive import TestArchive, save_captions, save_picture
from tests.indexer.dying_writer import AMID, STEPS

Kill = Callable[[str, int], None]
"""Index in a process that dies at the nth time of a step."""


@pytest.fixture(params=["embedded", "opensearch"])
def engine(request: pytest.FixtureRequest) -> str:
    """`embedded`, or the URL of a node."""
    if request.param == "opensearch":
        return str(request.getfixturevalue("opensearch"))
    return "embedded"


@pytest.fixture
def prefix(engine: str) -> Iterator[str]:
    """A prefix of index names for one test, whose indices are deleted after it."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    yield prefix
    if engine != "embedded":
        client = connect(Options((engine,)))
        for index in client.indices.get(index=f"{prefix}-*"):
            client.indices.delete(index=index)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Sixteen pictures: two batches."""
    folder = tmp_path / "pictures"
    for number in range(16):
        save_picture(folder / f"{number:02d}.png", number)
    return folder


@pytest.fixture
def open_archive(engine: str, prefix: str, source: Path, tmp_path: Path) -> Callable[[], Any]:
    """Opens the archive as a new process would."""
    if engine == "embedded":
        return lambda: TestArchive.embedded(tmp_path / "home", source)
    return lambda: TestArchive.opensearch(engine, prefix, tmp_path / "home", source)


@pytest.fixture
def kill(engine: str, prefix: str, source: Path, tmp_path: Path) -> Kill:
    def run(step: str, nth: int) -> None:
        what = [step, str(nth), engine, prefix, str(tmp_path / "home"), str(source)]
        ran = subprocess.run(
            [sys.executable, "-m", "tests.indexer.dying_writer", *what],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == -signal.SIGKILL, ran.stderr

    return run


@pytest.fixture
def expected(source: Path, tmp_path: Path) -> Callable[[Path | None], dict[str, Any]]:
    """What an archive holds that was indexed at once and without faults."""

    def contents(captions: Path | None) -> dict[str, Any]:
        archive = TestArchive.embedded(tmp_path / "faultless", source)
        archive.index(captions=captions)
        return archive.contents()

    return contents


@pytest.mark.parametrize("step", [*STEPS, AMID])
def test_an_update_that_is_killed_is_finished_by_the_next(
    step: str,
    kill: Kill,
    open_archive: Callable[[], TestArchive],
    expected: Callable[[Path | None], dict[str, Any]],
    source: Path,
    tmp_path: Path,
) -> None:
    captions = tmp_path / "captions.jsonl"
    save_captions(captions, {"01.png": ["one", "two", "three"], "09.png": ["four"]})
    open_archive().index(captions=captions)
    # Every scene changes, goes or is new: two batches, with tombstones in both.
    for number in range(4, 20):
        save_picture(source / f"{number:02d}.png", 100 + number)
    (source / "00.png").unlink()
    (source / "12.png").unlink()
    save_captions(captions, {"01.png": ["two"], "18.png": ["five"]})
    kill(step, 2)

    archive = open_archive()
    archive.index()
    assert archive.contents() == expected(captions)
    report = audit(archive.generation)
    assert report.findings == ()
    summary = archive.index()
    assert (summary.indexed, summary.updated, summary.deleted, summary.resumed) == (0, 0, 0, 0)
    assert not list(archive.batches.glob(".writing-*"))


def test_a_first_run_that_is_killed_twice_is_finished_by_the_third(
    kill: Kill,
    open_archive: Callable[[], TestArchive],
    expected: Callable[[Path | None], dict[str, Any]],
) -> None:
    kill("before the folder has its name", 1)
    kill("after the documents", 1)
    archive = open_archive()
    archive.index()
    assert archive.contents() == expected(None)
    assert audit(archive.generation).findings == ()


def test_what_was_durable_is_not_encoded_again(
    kill: Kill, open_archive: Callable[[], TestArchive]
) -> None:
    kill("after the folder", 2)
    summary = open_archive().index()
    assert (summary.resumed, summary.indexed, summary.unchanged) == (1, 0, 16)
