"""Real workers, a real Redis, a real OpenSearch: what dies loses nothing and doubles nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from deploy.local.redis_server import LocalRedis
from indexer.audit import audit
from indexer.runs import Runs
from scenestore.entry import KINDS
from scenestore.errors import UnavailableError
from tests.indexer.archive import TestArchive
from tests.workers.conftest import Start
from tests.workers.process import Site

pytestmark = pytest.mark.timeout(240)


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The summary of a planner that comes to its end."""
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    return summary


def check(site: Site, tmp_path: Path, left_out: str = "") -> None:
    """The archive is what one process makes of the source, and nothing of the run is left."""
    archive = site.archive()
    assert audit(archive.generation).findings == ()
    assert Runs(archive.ledger).open() == {}
    alone = TestArchive.embedded(tmp_path / "alone", Path(site.source))
    alone.index()
    found = archive.contents()
    found.pop(left_out, None)
    assert found == alone.contents()
    for kind in KINDS:
        assert codes(archive, kind) == codes(alone, kind)


def codes(archive: TestArchive, kind: Any) -> dict[str, Any]:
    """The code of every live entry."""
    alive = dict(archive.generation.documents.live(kind))
    found: dict[str, Any] = {}
    for logged in archive.generation.log.batches():
        batch = archive.generation.batch(logged.ordinal)
        if kind in batch.rows:
            rows = zip(batch.keys(kind).tolist(), batch.codes(kind), strict=True)
            for key, (terms, weights) in rows:
                if key in alive:
                    found[alive[key]] = terms.tolist(), weights.tolist()
    return found


def wait_for(happened: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        if process is not None and process.poll() is not None:
            raise AssertionError(process.communicate()[1])
        time.sleep(0.02)


def open_run(site: Site) -> Any:
    """The open run of the site, once there is one."""
    runs = Runs(site.archive().ledger)

    def is_open() -> bool:
        with suppress(UnavailableError):  # the ledger is being made
            return runs.open() != {}
        return False

    wait_for(is_open)
    (id,) = runs.open().values()
    return lambda: runs.read(id), lambda: runs.batches(id, [str(n) for n in range(10)])


def claimed(site: Site) -> bool:
    """Whether some worker is in the middle of a batch."""
    _, batches = open_run(site)
    return any(kept.value.state == "claimed" for kept in batches().values())


def test_two_workers_do_what_one_process_does(site: Site, start: Start, tmp_path: Path) -> None:
    (Path(site.source) / "bad.png").write_text("hello")
    start("worker", site)
    start("worker", replace(site, processes=2))
    summary = finish(start("planner", site))
    assert (summary["indexed"], summary["failed"], summary["chips"]) == (40, 1, 40)
    (failure,) = summary["failures"]
    assert failure["scene"] == "bad.png"
    assert failure["reason"].startswith("not an image of a known format; JPEG, PNG")
    check(site, tmp_path)
    head = site.archive().generation.reader.head(fresh=True)
    workers = len(head.live_batches()) + len(head.segments)
    assert workers <= 11
    assert finish(start("planner", site))["unchanged"] == 40


def test_a_worker_that_is_killed_in_its_batch_and_one_that_takes_its_place(
    site: Site, start: Start, tmp_path: Path
) -> None:
    slow = replace(site, seconds_per_image=0.1)
    first = start("worker", slow)
    planner = start("planner", site)
    wait_for(lambda: claimed(site), planner)
    children = psutil.Process(first.pid).children()
    first.kill()
    assert children
    start("worker", site)
    assert finish(planner)["indexed"] == 40
    wait_for(lambda: not any(child.is_running() for child in children))
    check(site, tmp_path)


def test_an_image_that_kills_its_process_is_found_and_the_worker_lives(
    site: Site, start: Start, tmp_path: Path
) -> None:
    Image.new("RGB", (20, 20), (255, 0, 0)).save(Path(site.source) / "13red.png")
    site = replace(site, poison=True, stall_seconds=1.0)
    worker = start("worker", site)
    summary = finish(start("planner", site))
    assert (summary["indexed"], summary["failed"]) == (40, 1)
    (failure,) = summary["failures"]
    assert failure["scene"] == "13red.png"
    assert failure["reason"].startswith("2 workers ended at it, alone in its batch: its worker ")
    assert worker.poll() is None
    (Path(site.source) / "13red.png").unlink()
    check(site, tmp_path, left_out="13red.png")


def test_a_planner_that_is_killed_is_gone_on_with_by_another(
    site: Site, start: Start, tmp_path: Path
) -> None:
    slow = replace(site, seconds_per_image=0.05)
    start("worker", slow)
    first = start("planner", site)
    read, _ = open_run(site)
    wait_for(lambda: read().value.tally.scenes >= 4, first)
    second = start("planner", site)
    first.kill()
    assert finish(second)["indexed"] == 40
    check(site, tmp_path)


def test_a_worker_that_is_told_to_end_gives_its_batch_back_within_its_bound(
    site: Site, start: Start, tmp_path: Path
) -> None:
    slow = replace(site, seconds_per_image=0.5, drain_seconds=0.0, stall_seconds=60.0)
    worker = start("worker", slow)
    planner = start("planner", slow)
    wait_for(lambda: claimed(site), planner)
    worker.terminate()
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert "given back, as the worker was told to end" in out
    assert not claimed(site)
    start("worker", site)
    assert finish(planner)["indexed"] == 40  # long before anything counts as stalled
    check(site, tmp_path)


def test_a_worker_that_is_told_to_end_finishes_what_it_can(
    site: Site, start: Start, tmp_path: Path
) -> None:
    slow = replace(site, seconds_per_image=0.2, drain_seconds=60.0)
    worker = start("worker", slow)
    planner = start("planner", slow)
    wait_for(lambda: claimed(site), planner)
    worker.send_signal(signal.SIGTERM)
    out, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert "done: 4 scenes" in out
    start("worker", site)
    assert finish(planner)["indexed"] == 40
    check(site, tmp_path)


def test_a_worker_that_was_paused_while_its_batch_was_redone_changes_nothing(
    site: Site, start: Start, tmp_path: Path
) -> None:
    slow = replace(site, seconds_per_image=0.2)
    late = start("worker", slow)
    planner = start("planner", site)
    wait_for(lambda: claimed(site), planner)
    paused = [psutil.Process(late.pid), *psutil.Process(late.pid).children()]
    for process in paused:
        process.suspend()
    start("worker", site)
    assert finish(planner)["indexed"] == 40
    for process in paused:
        process.resume()
    time.sleep(2.0)
    check(site, tmp_path)


def test_redis_that_is_killed_and_comes_back_loses_no_batch(
    site: Site, start: Start, tmp_path: Path
) -> None:
    with LocalRedis(tmp_path / "redis") as server:
        mine = replace(site, redis=server.url, seconds_per_image=0.05)
        worker = start("worker", mine)
        planner = start("planner", mine)
        read, _ = open_run(site)
        wait_for(lambda: read().value.tally.scenes >= 4, planner)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        time.sleep(1.0)
        with LocalRedis(tmp_path / "redis", port=server.port):
            assert finish(planner)["indexed"] == 40
            assert worker.poll() is None
            worker.kill()
    check(site, tmp_path)


@pytest.mark.parametrize("role", ["worker", "planner"])
def test_a_redis_that_may_drop_messages_is_refused_at_the_start(
    role: str, site: Site, start: Start, tmp_path: Path
) -> None:
    from redis import Redis

    with LocalRedis(tmp_path / "redis") as server:
        Redis.from_url(server.url).config_set("maxmemory-policy", "allkeys-lru")
        process = start(role, replace(site, redis=server.url))
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = err.splitlines()
    assert "may drop messages when memory is short (maxmemory-policy allkeys-lru)" in line
    assert "config set maxmemory-policy noeviction" in line


@pytest.mark.parametrize("role", ["worker", "planner"])
def test_a_redis_that_is_not_there_is_named_at_the_start(
    role: str, site: Site, start: Start
) -> None:
    process = start(role, replace(site, redis="redis://:secret@127.0.0.1:9/0"))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = err.splitlines()
    assert line.startswith("Redis at redis://:***@127.0.0.1:9/0 cannot be reached (")
    assert "correct SCENESIFT_REDIS_URL" in line


def test_a_worker_whose_model_cannot_be_loaded_ends_with_one_line(site: Site, start: Start) -> None:
    worker = start("worker", replace(site, fault="no such model; name one with --model"))
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert err.splitlines()[-1] == "no such model; name one with --model"
    assert "Traceback" not in err


def test_a_worker_whose_children_die_at_the_start_ends_with_one_line(
    site: Site, start: Start
) -> None:
    worker = start("worker", replace(site, dies_at_start=True))
    _, err = worker.communicate(timeout=120)
    assert worker.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith("4 child processes died one after the other before they were ready")
    assert "too little memory" in last
