"""The whole system: parts of a cluster die while it indexes and is searched, and come back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from deploy.local.cluster import LocalCluster
from indexer.runs import Runs
from scenesift.archive import Archive
from scenesift.reader import ArchiveReader
from tests.workers.test_workers import wait_for

SAMPLE = Path(__file__).parents[2] / "examples" / "sample_archive" / "images"
QUESTIONS = ("a river", "many storage tanks", "a green field", "two tennis courts", "airplanes")

pytestmark = [pytest.mark.faults, pytest.mark.timeout(500)]


class Searching:
    """A person who searches all the time, on all nodes."""

    def __init__(self) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._search)

    def _search(self) -> None:
        with ArchiveReader() as archive:
            while not self._over.is_set():
                try:
                    assert archive.search(QUESTIONS[self.answered % len(QUESTIONS)]).hits
                    self.answered += 1
                except Exception as error:
                    self.failures.append(repr(error))
                time.sleep(0.05)

    def __enter__(self) -> Searching:
        self._thread.start()
        return self

    def __exit__(self, *ignored: object) -> None:
        self._over.set()
        self._thread.join(120)


@pytest.mark.usefixtures("opensearch")
def test_a_node_redis_and_a_worker_die_while_all_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    sample = sorted(SAMPLE.rglob("*.jpg"))
    with LocalCluster(tmp_path / "cluster", quick=True, workers=2) as cluster:
        for name, value in cluster.settings.items():
            monkeypatch.setenv(name, value)
        add(sample[:100], pictures)
        assert index(pictures).wait(120) == 0
        nodes = OpenSearch([node.url for node in cluster.nodes], max_retries=5, timeout=60)
        nodes.cluster.health(params={"wait_for_status": "green"})
        add(sample[100:1500], pictures)
        with Archive() as archive, Searching() as person:
            planner = index(pictures)
            wait_for(lambda: Runs(archive.engine.ledger).open(), planner)
            cluster.nodes[1].kill()
            cluster.workers[0].kill()
            cluster.redis.kill()
            wait_for(lambda: person.answered >= 5)
            cluster.start()
            out, err = planner.communicate(timeout=240)
        assert planner.returncode == 0, err
        assert "1,400 indexed" in out
        assert person.failures == []
        with Archive() as archive:
            assert archive.audit().findings == ()
            found = [archive.search(text).hits for text in QUESTIONS]
        nodes.close()
    for name in cluster.settings:
        monkeypatch.delenv(name)
    with Archive(tmp_path / "alone") as alone:
        alone.index(pictures)
        for text, hits in zip(QUESTIONS, found, strict=True):
            expected = alone.search(text).hits
            assert [hit.entry.identity for hit in hits] == [hit.entry.identity for hit in expected]
            assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected])


def add(files: Sequence[Path], pictures: Path) -> None:
    """Copy pictures to a folder, under names of their own."""
    for file in files:
        shutil.copy(file, pictures / f"{file.parent.name}-{file.name}")


def index(pictures: Path) -> subprocess.Popen[str]:
    """Index with workers, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "scenesift", "index", str(pictures), "--distributed"],
        env={**os.environ, "SCENESIFT_STALL_SECONDS": "5"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
