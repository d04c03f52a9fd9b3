"""A run with real workers, each time with one fault: the archive is then as without it."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from indexer.chore import Chore, Chores
from indexer.commission import commission
from indexer.delete import delete
from sgpd.say import silent
from tests.faults.network import link
from tests.faults.process import AUDITING, DEATHS, FaultySite, mark
from tests.indexer.archive import save_picture
from tests.s3_server import KEYS, s3_server
from tests.workers.conftest import Start
from tests.workers.process import Site
from tests.workers.test_workers import check, claimed, finish, open_run, wait_for

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def faulty(site: Site) -> FaultySite:
    return FaultySite(**asdict(site))


def planned(site: FaultySite) -> int:
    """How many ordinals were taken: one an attempt that got as far as writing."""
    return site.archive().generation.log.claim() - 1


def test_a_worker_may_die_at_any_step_of_writing(
    faulty: FaultySite, start: Start, tmp_path: Path
) -> None:
    start("worker", replace(faulty, dies=DEATHS, processes=2))
    summary = finish(start("planner", faulty))
    assert [step for step in DEATHS if not mark(faulty, step).exists()] == []
    assert (summary["indexed"], summary["failed"]) == (40, 0)
    check(faulty, tmp_path)


def test_a_worker_may_die_amid_an_audit_that_somebody_waits_for(
    faulty: FaultySite, start: Start
) -> None:
    worker = start("worker", replace(faulty, dies=(AUDITING,)))
    finish(start("planner", faulty))
    options = {"source": faulty.source, "collection": "default", "captions": None, "repair": False}
    chore = Chore("one", "audit", "g1", options, faulty.stall_seconds)
    chores = Chores(faulty.archive().ledger)
    ended = commission(chores, faulty.queue(), chore, say=silent)
    assert mark(faulty, AUDITING).exists()
    assert (ended.attempt, ended.report["clean"], ended.report["scenes"]) == (2, True, 40)
    assert worker.poll() is None


def test_every_message_may_come_twice(faulty: FaultySite, start: Start, tmp_path: Path) -> None:
    start("worker", replace(faulty, processes=2))
    assert finish(start("planner", replace(faulty, copies=2)))["indexed"] == 40
    assert planned(faulty) == 10
    check(faulty, tmp_path)


def test_a_batch_may_take_longer_than_redis_waits_for_an_acknowledgement(
    faulty: FaultySite, start: Start, tmp_path: Path
) -> None:
    slow = replace(faulty, seconds_per_image=0.5, visibility_seconds=1.0, stall_seconds=20.0)
    for number in range(16, 40):
        (Path(faulty.source) / f"{number:02d}.png").unlink()
    start("worker", replace(slow, processes=2))
    assert finish(start("planner", slow))["indexed"] == 16
    assert planned(faulty) == 4
    check(faulty, tmp_path)


def test_clocks_may_be_two_hours_apart(faulty: FaultySite, start: Start, tmp_path: Path) -> None:
    slow = replace(faulty, seconds_per_image=0.1)
    first = start("worker", replace(slow, clock_seconds=3600))
    planner = start("planner", replace(faulty, clock_seconds=-3600))
    wait_for(lambda: claimed(faulty), planner)
    first.kill()
    start("worker", faulty)
    assert finish(planner)["indexed"] == 40
    check(faulty, tmp_path)


def cut_in_mid_run(network: Any, seconds: float, site: FaultySite, planner: Any) -> None:
    """Cut a link once a worker is at work, for so long."""
    read, _ = open_run(site)
    wait_for(lambda: read().value.tally.scenes >= 4, planner)
    before = network.broken
    network.cut()
    time.sleep(seconds)
    network.mend()
    assert network.broken > before


def test_the_network_to_opensearch_may_be_cut_for_longer_than_a_stall(
    faulty: FaultySite, start: Start, tmp_path: Path
) -> None:
    with link(faulty.opensearch) as network:
        slow = replace(faulty, seconds_per_image=0.05)
        start("worker", replace(slow, opensearch=network.url))
        planner = start("planner", faulty)
        cut_in_mid_run(network, 1.5 * faulty.stall_seconds, faulty, planner)
        assert finish(planner)["indexed"] == 40
    check(faulty, tmp_path)


def test_the_network_to_the_object_store_may_be_cut(
    faulty: FaultySite, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as server, link(server.url) as network:
        remote = replace(faulty, store=f"s3://{server.bucket()}/archive", endpoint=server.url)
        slow = replace(remote, seconds_per_image=0.05)
        start("worker", replace(slow, endpoint=network.url))
        planner = start("planner", remote)
        cut_in_mid_run(network, 1.5 * faulty.stall_seconds, remote, planner)
        assert finish(planner)["indexed"] == 40
        check(remote, tmp_path)


def test_the_disk_of_the_shard_store_may_be_full_until_there_is_room(
    faulty: FaultySite, start: Start, tmp_path: Path
) -> None:
    full = start("worker", replace(faulty, largest_file=200))
    planner = start("planner", faulty)
    _, batches = open_run(faulty)
    wait_for(lambda: any(kept.value.faults for kept in batches().values()), planner)
    reasons = {kept.value.reason for kept in batches().values() if kept.value.faults}
    assert all("make room" in str(reason) for reason in reasons)
    full.kill()
    start("worker", faulty)
    assert finish(planner)["indexed"] == 40
    check(faulty, tmp_path)


def test_scenes_may_be_deleted_while_their_update_is_written(
    faulty: FaultySite, start: Start, tmp_path: Path
) -> None:
    start("worker", replace(faulty, processes=2, seconds_per_image=0.02))
    assert finish(start("planner", faulty))["indexed"] == 40
    for number in range(40):
        save_picture(Path(faulty.source) / f"{number:02d}.png", 100 + number)
    planner = start("planner", faulty)
    wait_for(lambda: claimed(faulty), planner)
    archive = faulty.archive()
    gone = [f"{number:02d}.png" for number in range(0, 40, 3)]
    for scene in gone:
        (Path(faulty.source) / scene).unlink()
        delete(archive.generation, archive.ledger, [scene])
    finish(planner)
    found = archive.generation.documents.identities([("default", scene) for scene in gone])
    assert found == {}
    finish(start("planner", faulty))  # that the files are gone too it notes by itself
    check(faulty, tmp_path)
