"""A real Redis for the run, a site for each test, and processes that are gone after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from deploy.local.redis_server import LocalRedis
from tests.indexer.archive import save_picture
from tests.workers.process import Site

ROOT = Path(__file__).parents[2]
Start = Callable[..., subprocess.Popen[str]]
"""Starts a worker or a planner."""


@pytest.fixture(autouse=True)
def hasty_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare this process the wait for the disk; workers and planners wait as ever."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Redis that the tests of this process share; queues are kept apart by prefixes."""
    with LocalRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def site(opensearch: str, redis: str, tmp_path: Path) -> Iterator[Site]:
    """Forty pictures to index, and nothing indexed."""
    source = tmp_path / "pictures"
    for number in range(40):
        save_picture(source / f"{number:02d}.png", number)
    prefix = f"t{uuid.uuid4().hex[:12]}"
    yield Site(redis, opensearch, prefix, str(tmp_path / "home"), str(source))
    client = OpenSearch(opensearch)
    for index in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=index)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start processes; what still runs when the test ends is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(role: str, site: Site) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", type(site).__module__, role],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(site)))
        process.stdin.close()
        process.stdin = None
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)
