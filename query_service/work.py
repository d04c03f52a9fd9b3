"""Work off the event loop: a bounded number of threads, of waiting requests, and of seconds."""

from __future__ import annotations

import asyncio
import contextvars
import math
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TypeVar

from query_service.errors import BusyError, TimedOutError
from query_service.observer import NOBODY, Observer
from scenestore.errors import UnavailableError

Result = TypeVar("Result")


class WorkPool:
    """Runs the pipeline, which blocks, beside the event loop.

    A request that timed out counts until its thread is through with it: so the bound is on what is
    really under way.
    """

    def __init__(
        self, threads: int, waiting: int, timeout: float, observer: Observer = NOBODY
    ) -> None:
        """`waiting` requests may wait beyond those that the threads work on; seconds."""
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="search")
        self._most = threads + waiting
        self._timeout = timeout
        self._observer = observer
        self.under_way = 0
        """Requests that were taken and are not through."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of a call in a thread; BusyError, TimedOutError."""
        if self.under_way >= self._most:
            self._observer.refused("busy")
            raise BusyError(
                f"{self.under_way} requests are under way, which is as many as may be; try again "
                "in a moment"
            )
        deadline = time.monotonic() + self._timeout
        still = [work]

        def in_time() -> Result:
            self._observer.waiting(-1)
            if time.monotonic() > deadline:
                raise self._late()  # nobody waits for it any more
            return still.pop()()

        context = contextvars.copy_context()  # what is known of the request is known in the thread
        self._observer.waiting(1)
        future = self._executor.submit(context.run, in_time)
        self.under_way += 1
        loop = asyncio.get_running_loop()
        through: asyncio.Future[None] = loop.create_future()
        # A wrapped future would wake the event loop a second time.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._through, through))
        try:
            async with asyncio.timeout(self._timeout):
                await through
            return future.result()
        except TimeoutError as error:
            self._observer.refused("deadline")
            raise self._late() from error
        except CancelledError as error:
            raise UnavailableError("the service is ending; try again later") from error
        finally:
            if future.cancel():  # nobody waits for it, and no thread took it
                self._observer.waiting(-1)
                # The executor keeps the rest until a thread takes it, which may hang for long.
                still.clear()

    def _through(self, through: asyncio.Future[None]) -> None:
        self.under_way -= 1
        if not through.done():
            through.set_result(None)

    def _late(self) -> TimedOutError:
        return TimedOutError(
            f"no answer within {math.ceil(self._timeout)} s; ask for less, or try again later"
        )

    async def close(self, seconds: float) -> None:
        """Wait for what is under way, so long at most; what waits is not begun any more."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + seconds
        while self.under_way and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
