"""Values that threads share: read by one, again when old, and never waited for without need."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from scenestore import shared
from scenestore.errors import UnavailableError
from scenestore.shared import Shared

SECONDS = 20


class Source:
    """What is read: a count of the readings. While `may_go` is clear, a reading does not end."""

    def __init__(self) -> None:
        self.readings = 0
        self.begun = threading.Event()
        self.may_go = threading.Event()
        self.may_go.set()
        self.fault: Exception | None = None

    def __call__(self) -> int:
        """The next number."""
        self.readings += 1
        number = self.readings
        self.begun.set()
        assert self.may_go.wait(SECONDS)
        if self.fault is not None:
            raise self.fault
        return number


@pytest.fixture
def source() -> Source:
    return Source()


def at_once(call: Callable[[], int], pool: ThreadPoolExecutor) -> list[Future[int]]:
    return [pool.submit(call) for _ in range(8)]


def test_one_thread_reads_what_is_old_and_the_others_go_on_with_the_last(source: Source) -> None:
    value = Shared(source, seconds=0.0)
    assert value.current() == 1
    source.begun.clear()
    source.may_go.clear()
    with ThreadPoolExecutor(9) as pool:
        reading = pool.submit(value.current)
        assert source.begun.wait(SECONDS)
        assert {one.result(SECONDS) for one in at_once(value.current, pool)} == {1}
        assert not reading.done()
        source.may_go.set()
        assert reading.result(SECONDS) == 2
    assert source.readings == 2
    assert value.known == 2


def test_before_the_first_reading_all_wait_for_one(source: Source) -> None:
    value = Shared(source, math.inf)
    source.may_go.clear()
    with ThreadPoolExecutor(8) as pool:
        waiting = at_once(value.current, pool)
        assert source.begun.wait(SECONDS)
        source.may_go.set()
        assert {one.result(SECONDS) for one in waiting} == {1}
    assert source.readings == 1
    assert value.forget() == 1
    assert value.known is None
    assert value.current() == 2


def test_a_first_reading_that_fails_has_failed_for_who_waited_and_is_tried_by_the_next(
    source: Source,
) -> None:
    value = Shared(source, math.inf)
    source.fault = ValueError("away")
    source.may_go.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(value.current)
        assert source.begun.wait(SECONDS)
        arrived = threading.Barrier(8)

        def wait() -> int:
            arrived.wait(SECONDS)
            return value.current()

        waiting = [pool.submit(wait) for _ in range(7)]
        arrived.wait(SECONDS)
        # Those that have not come to wait yet when it fails read on their own.
        assert not any(one.done() for one in waiting)
        source.may_go.set()
        faults = {type(one.exception(SECONDS)) for one in (first, *waiting)}
    assert faults == {ValueError}
    source.fault = None
    assert value.current() == source.readings


def test_nobody_waits_for_ever_for_another(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "WAIT_SECONDS", 0.01)
    value = Shared(source)
    source.may_go.clear()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(value.current)
        assert source.begun.wait(SECONDS)
        with pytest.raises(UnavailableError, match="try again"):
            value.current()
        source.may_go.set()
        assert reading.result(SECONDS) == 1


def test_a_failure_to_read_again_leaves_the_last_for_the_others(source: Source) -> None:
    value = Shared(source, seconds=0.0)
    value.current()
    source.fault = ValueError("away")
    with pytest.raises(ValueError, match="away"):
        value.current()
    assert value.known == 1


def test_what_was_asked_last_stays(source: Source) -> None:
    value = Shared(source, math.inf)
    source.may_go.clear()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(value.now)
        assert source.begun.wait(SECONDS)
        value.keep(10)  # written since that reading began
        source.may_go.set()
        assert reading.result(SECONDS) == 1
    assert value.current() == 10


def test_who_asks_for_it_as_of_now_holds_up_nobody(source: Source) -> None:
    value = Shared(source, seconds=0.0)
    assert value.now() == 1
    source.begun.clear()
    source.may_go.clear()
    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(value.now)
        assert source.begun.wait(SECONDS)
        assert pool.submit(value.current).result(SECONDS) == 1
        source.may_go.set()
        assert reading.result(SECONDS) == 2
