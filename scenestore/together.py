"""Calls that only wait for answers, made at once."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_THREADS = 16

Result = TypeVar("Result")

_thread = threading.local()


def _enter() -> None:
    _thread.is_ours = True


_pool = ThreadPoolExecutor(_THREADS, "together", _enter)


def _begin_again() -> None:
    global _pool
    _pool = ThreadPoolExecutor(_THREADS, "together", _enter)


os.register_at_fork(after_in_child=_begin_again)  # threads stay behind


def together(calls: Sequence[Callable[[], Result]]) -> list[Result]:
    """The results of all calls; raises what the first failing one did.

    What they read is counted for who waits. Inside one of them, further calls are made one after
    the other: waiting for threads from all threads would never end.
    """
    if len(calls) < 2 or getattr(_thread, "is_ours", False):
        return [call() for call in calls]
    begun = [_pool.submit(contextvars.copy_context().run, call) for call in calls]
    return [call.result() for call in begun]
