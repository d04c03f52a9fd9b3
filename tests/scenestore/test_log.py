"""The log keeps every batch once, in order, whoever writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scenestore import log as log_module
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.errors import ClosedError, DamagedError, StoreError
from scenestore.log import Log, LoggedBatch, LoggedSegment


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(EmbeddedLedger(tmp_path / "ledger.sqlite"), "g1")
    log.create("digest")
    return log


def batch(ordinal: int, plan: str | None = None) -> LoggedBatch:
    return LoggedBatch(ordinal, plan or f"run-{ordinal}", f"{ordinal:08d}-x", {"chip": 10})


def test_batches_come_back_in_order(log: Log) -> None:
    for ordinal in (1, 2, 5):
        log.append(batch(ordinal))
    log.append(batch(2))
    assert [b.ordinal for b in log.batches()] == [1, 2, 5]
    assert log.head().live_batches() == tuple(log.batches())


def test_of_one_plan_the_highest_attempt_stays(log: Log) -> None:
    log.append(batch(3, "run-1"))
    log.append(batch(7, "run-1"))
    log.append(batch(5, "run-1"))
    assert [b.ordinal for b in log.batches()] == [7]


def test_a_segment_stands_for_the_batches_it_covers(log: Log) -> None:
    for ordinal in (1, 2, 3):
        log.append(batch(ordinal))
    log.compacted(LoggedSegment("s-1", (1, 2), {"chip": 20}))
    assert [b.ordinal for b in log.head().live_batches()] == [3]
    head = log.compacted(LoggedSegment("s-2", (1, 2, 3), {"chip": 30}))
    assert [segment.folder for segment in head.segments] == ["s-2"]
    assert [b.ordinal for b in log.batches()] == [1, 2, 3]


def test_a_segment_that_comes_late_does_not_double_what_another_has(log: Log) -> None:
    for ordinal in (1, 2, 3):
        log.append(batch(ordinal))
    head = log.compacted(LoggedSegment("s-3", (1, 2, 3), {"chip": 30}))
    assert log.compacted(LoggedSegment("s-2", (1, 2), {"chip": 20})) == head


def test_old_batches_move_to_pages_and_stay_in_the_log(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "HEAD_BATCHES", 8)
    for ordinal in range(1, 40):
        log.append(batch(ordinal))
        log.compacted(LoggedSegment(f"s-{ordinal}", tuple(range(1, ordinal + 1)), {"chip": 1}))
    assert log.head().pages > 2
    assert len(log.head().batches) <= 9
    assert [b.ordinal for b in log.batches()] == list(range(1, 40))


def test_many_writers_lose_nothing_and_share_no_ordinal(tmp_path: Path) -> None:
    Log(EmbeddedLedger(tmp_path / "ledger.sqlite"), "g1").create("digest")

    def write(_: int) -> int:
        log = Log(EmbeddedLedger(tmp_path / "ledger.sqlite"), "g1")
        ordinal = log.claim()
        log.append(batch(ordinal))
        return ordinal

    with ThreadPoolExecutor(4) as pool:
        ordinals = list(pool.map(write, range(24)))
    log = Log(EmbeddedLedger(tmp_path / "ledger.sqlite"), "g1")
    assert len(set(ordinals)) == 24
    assert sorted(b.ordinal for b in log.batches()) == sorted(ordinals)


def test_a_closed_log_takes_no_batch_in_until_it_is_reopened(log: Log) -> None:
    log.append(batch(1))
    log.close("g2")
    with pytest.raises(ClosedError, match="g2 takes its place"):
        log.append(batch(2))
    log.append(batch(1))  # repeating what is done changes nothing
    log.compacted(LoggedSegment("s-1", (1,), {"chip": 10}))
    log.reopen(lambda: None)
    log.append(batch(2))
    assert [b.ordinal for b in log.batches()] == [1, 2]


def test_a_log_that_was_closed_once_more_is_opened_only_after_the_fence_was_set_again(
    log: Log,
) -> None:
    log.close("g2")
    closed_for = iter(("g3", "g4"))
    fences = 0

    def fence() -> None:
        nonlocal fences
        fences += 1
        if successor := next(closed_for, None):
            log.close(successor)

    assert log.reopen(fence).closed_for is None
    assert fences == 3


def test_no_batch_comes_in_once_a_log_is_closed_whoever_writes(tmp_path: Path) -> None:
    first = Log(EmbeddedLedger(tmp_path / "ledger.sqlite"), "g1")
    first.create("digest")

    def write(_: int) -> bool:
        log = Log(EmbeddedLedger(tmp_path / "ledger.sqlite"), "g1")
        try:
            log.append(batch(log.claim()))
        except ClosedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        written = [pool.submit(write, number) for number in range(24)]
        written[3].result()
        closed = [b.ordinal for b in first.close("g2").batches]
        count = sum(one.result() for one in written)
    assert [b.ordinal for b in first.batches()] == closed
    assert len(closed) == count


def test_reserved_ordinals_are_never_given(log: Log) -> None:
    log.reserve(41)
    log.reserve(3)
    assert log.claim() == 42


def test_a_log_of_another_format_is_refused(log: Log, tmp_path: Path) -> None:
    ledger = EmbeddedLedger(tmp_path / "ledger.sqlite")
    record = ledger.read("log-g1")
    assert record is not None
    ledger.write("log-g1", {**record.value, "format": 99}, record.version)
    with pytest.raises(DamagedError, match="format 99"):
        log.head()


def test_a_log_that_was_never_begun_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="rebuild"):
        Log(EmbeddedLedger(tmp_path / "ledger.sqlite"), "g2").head()
