"""Maintenance that workers do: whoever waits gets the report, whatever becomes of the workers."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indexer.audit import AuditReport, audit
from indexer.chore import Chore, ChoreHint, Chores, What
from indexer.commission import CommissionSettings, commission
from indexer.errors import ChoreError
from indexer.maintenance import CHORES_LEASE, do_chore
from scenestore.lease import Lease
from sgpd.say import silent
from tests.indexer.archive import TestArchive
from tests.indexer.crew import Crew, Place

FAST = CommissionSettings(poll_seconds=0.02)
OPTIONS: dict[What, dict[str, Any]] = {
    "audit": {"source": None, "collection": "default", "captions": None, "repair": False},
    "calibrate": {"queries": None, "targets": [0.9], "count": 50},
}


@pytest.fixture
def crew(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> Crew:
    monkeypatch.setattr("indexer.commission._ASK_AGAIN", 0.2)
    crew = Crew(lambda: TestArchive.embedded(tmp_path / "home", pictures), pictures)
    crew.open_archive().index()
    return crew


def ask(crew: Crew, what: What = "audit", id: str = "one", **options: Any) -> Chore:
    """Wait for a chore as a command does."""
    chore = Chore(id, what, "g1", {**OPTIONS[what], **options}, stall_seconds=0.5)
    chores = Chores(crew.open_archive().ledger)
    said: list[str] = []
    return commission(chores, crew.queue, chore, say=said.append, settings=FAST)


@contextmanager
def maintaining(crew: Crew, place: Place | None = None) -> Iterator[None]:
    """A worker that does chores until the block is left."""
    over = threading.Event()

    def run() -> None:
        ours = place or crew.place()
        while not over.is_set():
            try:
                do_chore(ours, crew.queue.chores.get(timeout=0.02), lease_seconds=0.5)
            except queue.Empty:
                continue

    worker = threading.Thread(target=run)
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


@contextmanager
def asking(crew: Crew, **options: Any) -> Iterator[list[Any]]:
    """Somebody waits for a chore: what that one got is there when the block was left."""
    got: list[Any] = []

    def run() -> None:
        try:
            got.append(ask(crew, **options))
        except ChoreError as error:
            got.append(error)

    waiter = threading.Thread(target=run)
    waiter.start()
    yield got
    waiter.join(60)


def hint(crew: Crew) -> ChoreHint:
    """The next message."""
    return crew.queue.chores.get(timeout=60)


def state(crew: Crew) -> Chore:
    kept = Chores(crew.open_archive().ledger).read("one")
    assert kept is not None
    return kept.value


def test_the_report_is_that_of_an_audit_in_this_process(crew: Crew) -> None:
    archive = crew.open_archive()
    shutil.rmtree(next(archive.batches.glob("00000001-*")))
    with maintaining(crew):
        report = AuditReport.from_json(ask(crew).report)
    here = audit(archive.generation)
    assert replace(report, seconds=0) == replace(here, seconds=0)
    assert [finding.fault for finding in report.findings] == ["batch folders missing"]


def test_a_folder_is_compared_with_and_what_differs_is_repaired(crew: Crew) -> None:
    (crew.source / "00.jpg").unlink()
    with maintaining(crew):
        report = AuditReport.from_json(ask(crew, source=str(crew.source)).report)
        assert [one.fault for one in report.findings] == ["scenes gone from the source"]
        documents = crew.open_archive().generation.documents
        documents.reset()
        documents.swap()
        assert not AuditReport.from_json(ask(crew, id="two").report).clean
        assert AuditReport.from_json(ask(crew, id="three", repair=True).report).clean


def test_who_follows_sees_how_far_it_is(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr("indexer.maintenance._BEAT_SECONDS", 0.001)
    chore = Chore("one", "audit", "g1", OPTIONS["audit"], stall_seconds=5.0)
    with maintaining(crew):
        commission(
            Chores(crew.open_archive().ledger),
            crew.queue,
            chore,
            say=silent,
            progress=lambda done, total, rate: seen.append((done, total)),
            settings=FAST,
        )
    assert seen[-1] == (3, 3)


def test_a_worker_that_died_at_it_keeps_nobody_from_the_report(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    with asking(crew) as got:
        with monkeypatch.context() as patched:
            patched.setattr("indexer.maintenance.audit", die)
            patched.setattr(Lease, "_free", lambda lease: None)  # as who is killed
            with pytest.raises(KeyboardInterrupt):
                do_chore(crew.place(), hint(crew))
        assert state(crew).state == "claimed"
        with maintaining(crew):
            wait_for(lambda: got)
    assert (got[0].state, got[0].attempt) == ("done", 2)


def test_what_kills_every_worker_is_given_up(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("indexer.commission.ATTEMPTS", 2)
    monkeypatch.setattr("indexer.maintenance.audit", die)
    with asking(crew) as got:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                do_chore(crew.place(), hint(crew))
    assert "given up after 2 attempts, the last time: its worker " in str(got[0])


def test_a_worker_that_stood_still_reports_nothing_once_another_has_it(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go = threading.Event(), threading.Event()

    def late(*args: Any, **options: Any) -> AuditReport:
        reached.set()
        assert go.wait(60)
        return audit(*args, **options)

    said: list[str | None] = []
    with asking(crew) as got:
        with monkeypatch.context() as patched:
            patched.setattr("indexer.maintenance.audit", late)
            patched.setattr("indexer.maintenance._BEAT_SECONDS", 1000.0)
            patched.setattr("indexer.maintenance.RAISES", 0.001)  # both hearts stand still
            patched.setattr("scenestore.lease.RAISES", 0.001)
            first = hint(crew)
            worker = threading.Thread(target=lambda: said.append(do_chore(crew.place(), first)))
            worker.start()
            assert reached.wait(60)
        with maintaining(crew):
            wait_for(lambda: got)
        go.set()
        worker.join(60)
    assert got[0].attempt == 2
    assert "went to another attempt" in str(said[0])
    assert state(crew) == got[0]


def test_while_another_chore_is_done_it_waits_and_is_asked_for_again(crew: Crew) -> None:
    other = Lease(crew.open_archive().ledger, CHORES_LEASE, seconds=0.5)
    assert other.take()
    with asking(crew) as got:
        with other.held():
            assert do_chore(crew.place(), hint(crew), lease_seconds=0.5) is None
            assert state(crew).state == "planned"
        with maintaining(crew):
            wait_for(lambda: got)
    assert (got[0].state, got[0].attempt) == ("done", 1)


def test_a_worker_that_is_told_to_end_gives_it_back(crew: Crew) -> None:
    with asking(crew) as got:
        ended = do_chore(crew.place(), hint(crew), stop=lambda: True)
        assert ended == "audit: given back, as the worker was told to end"
        with maintaining(crew):
            wait_for(lambda: got)
    assert got[0].attempt == 2


def test_the_same_is_followed_and_anything_else_comes_after(crew: Crew) -> None:
    with asking(crew) as first:
        message = hint(crew)
        with asking(crew, id="two") as same, asking(crew, id="three", repair=True) as other:
            crew.queue.chores.put(message)
            with maintaining(crew):
                wait_for(lambda: first and same and other)
    assert first[0] == same[0]
    assert (first[0].id, other[0].id) == ("one", "three")
    assert crew.open_archive().ledger.names("chore-") == ["chore-one", "chore-three"]
    with maintaining(crew):
        ask(crew, id="four")
    assert crew.open_archive().ledger.names("chore-") == ["chore-four", "chore-three"]


def test_who_was_stopped_follows_what_goes_on(crew: Crew) -> None:
    chores = Chores(crew.open_archive().ledger)
    left = Chore("left", "audit", "g1", OPTIONS["audit"], stall_seconds=0.5)
    chores.begin(replace(left, state="claimed", attempt=1, worker="gone"))
    with maintaining(crew):
        found = ask(crew)
    assert (found.id, found.attempt) == ("left", 2)


def test_what_cannot_be_done_is_said_with_the_reason(crew: Crew) -> None:
    with maintaining(crew), pytest.raises(ChoreError, match=r"^audit: .*gone: .*no such folder"):
        ask(crew, source=str(crew.source / "gone"))
    with maintaining(crew), pytest.raises(ChoreError, match=r"^audit: .*gone.jsonl"):
        ask(crew, id="two", source=str(crew.source), captions=str(crew.source / "gone.jsonl"))


def test_a_message_of_another_version_is_dropped(crew: Crew) -> None:
    with pytest.raises(ChoreError, match="no chore of this version"):
        ChoreHint.from_json({"format": 0, "id": "one", "attempt": 0})


def test_that_no_worker_runs_is_said_and_waited_for(crew: Crew) -> None:
    said: list[str] = []
    settings = replace(FAST, notice_seconds=0.2)
    chore = Chore("one", "audit", "g1", OPTIONS["audit"], stall_seconds=0.5)
    chores = Chores(crew.open_archive().ledger)
    waiter = threading.Thread(
        target=lambda: commission(chores, crew.queue, chore, say=said.append, settings=settings)
    )
    waiter.start()
    wait_for(lambda: said)
    with maintaining(crew):
        waiter.join(60)
    (line,) = said
    assert line.startswith("waiting: no worker has taken anything from queue maintenance of ")
    assert "start `scenesift worker`" in line


def wait_for(happened: Any) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
