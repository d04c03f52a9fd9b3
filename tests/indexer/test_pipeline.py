"""Work that runs ahead: in order, within bounds, and ended when the run ends."""

from __future__ import annotations

import threading
import time

import pytest

from indexer.pipeline import closing_pool, read_ahead


def test_results_come_in_order_however_long_each_takes() -> None:
    def slow(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number

    with closing_pool(3) as pool:
        assert list(read_ahead(pool, slow, range(20), 5)) == list(range(20))


def test_no_more_is_begun_than_the_depth() -> None:
    begun: list[int] = []
    with closing_pool(2) as pool:
        results = read_ahead(pool, begun.append, range(100), 4)
        for taken in range(1, 10):
            next(results)
            assert len(begun) <= taken + 4


def test_when_the_run_fails_nothing_more_is_begun() -> None:
    gate = threading.Event()
    begun: list[int] = []

    def wait(number: int) -> None:
        begun.append(number)
        if number:
            gate.wait()

    def fail() -> None:
        with closing_pool(2) as pool:
            results = read_ahead(pool, wait, range(100), 50)
            next(results)
            threading.Timer(0.3, gate.set).start()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert len(begun) < 10
