"""A lease has one holder at a time, and finds another when that one dies or stands still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.errors import LostError, UnavailableError
from scenestore.lease import Lease, raising

QUICK = 0.4
HOLD = f"""
import sys, time
from pathlib import Path
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.errors import LostError
from scenestore.lease import Lease
lease = Lease(EmbeddedLedger(Path(sys.argv[1])), "lease-x", {QUICK})
assert lease.take()
with lease.held():
    print("held", flush=True)
    sys.stdin.readline()
    try:
        lease.check()
    except LostError as error:
        print("lost:", error, flush=True)
    else:
        print("still held", flush=True)
"""


@pytest.fixture
def lease(tmp_path: Path) -> Callable[[], Lease]:
    """Opens the lease as another process would."""
    return lambda: Lease(EmbeddedLedger(tmp_path / "ledger.sqlite"), "lease-x", QUICK)


def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds the lease until it is told a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "ledger.sqlite")],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def taken_within(lease: Lease, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if lease.take():
            return True
        time.sleep(0.02)
    return False


def test_one_of_many_contenders_has_it(lease: Callable[[], Lease]) -> None:
    barrier, won = threading.Barrier(6), []

    def contend() -> None:
        mine = lease()
        barrier.wait()
        if mine.take():
            won.append(mine)

    threads = [threading.Thread(target=contend) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_it_stays_with_a_holder_that_lives_and_is_free_when_that_one_ends(
    lease: Callable[[], Lease], tmp_path: Path
) -> None:
    other = lease()
    with holder(tmp_path) as process:
        assert not taken_within(other, 4 * QUICK)
        assert (other.holder() or "").endswith(f":{process.pid}")
        assert process.communicate("end\n", timeout=30)[0] == "still held\n"
    assert other.holder() is None
    assert other.take()


def test_it_is_taken_over_from_a_holder_that_was_killed(
    lease: Callable[[], Lease], tmp_path: Path
) -> None:
    other = lease()
    with holder(tmp_path) as process:
        assert not other.wait()
        process.kill()
        process.wait(timeout=30)
    assert not lease().take()  # who looks for the first time cannot know
    assert other.wait()


def test_a_holder_that_was_paused_finds_that_it_lost_it(
    lease: Callable[[], Lease], tmp_path: Path
) -> None:
    other = lease()
    with holder(tmp_path) as process:
        os.kill(process.pid, signal.SIGSTOP)
        assert taken_within(other, 60)
        with other.held():
            os.kill(process.pid, signal.SIGCONT)
            said = process.communicate("go on\n", timeout=30)[0]
            assert said.startswith("lost: lease-x is no longer held by this process")
            other.check()  # and it gave nothing free that is not its own


def test_an_answer_that_got_lost_loses_no_lease(tmp_path: Path) -> None:
    class Deaf(EmbeddedLedger):
        """Writes, and does not hear that it was done."""

        def write(self, name: str, value: Mapping[str, Any], version: Any) -> Any:
            written = super().write(name, value, version)
            if value["count"] == 1:
                raise UnavailableError("no answer")
            return written

    lease = Lease(Deaf(tmp_path / "ledger.sqlite"), "lease-x", QUICK)
    assert lease.take()
    with pytest.raises(UnavailableError):
        lease.check()
    lease.check()


def test_who_never_took_it_does_not_hold_it(lease: Callable[[], Lease]) -> None:
    with pytest.raises(LostError, match="no longer held"):
        lease().check()


def test_an_engine_that_is_away_for_a_moment_does_not_end_the_raising() -> None:
    calls = threading.Semaphore(0)

    def away() -> None:
        calls.release()
        raise UnavailableError("away")

    with raising(away, 0.001):
        for _ in range(3):
            assert calls.acquire(timeout=30)
