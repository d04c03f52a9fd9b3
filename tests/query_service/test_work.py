"""Work in threads, and what becomes of it when nobody waits for it any more."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from functools import partial

from query_service.work import WorkPool

PATIENCE = 30.0


class Body:
    """What a request holds in memory."""


def use(body: Body) -> Body:
    return body


def test_what_a_request_held_is_let_go_with_it_while_the_threads_hang() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        may_end.wait(PATIENCE)

    async def ask_and_leave() -> weakref.ref[Body]:
        body = Body()
        asked = asyncio.create_task(pool.run(partial(use, body)))
        await asyncio.sleep(0)  # it waits for the thread now
        assert pool.under_way == 2
        asked.cancel()
        await asyncio.wait([asked])
        return weakref.ref(body)

    async def scene() -> None:
        hanging = asyncio.create_task(pool.run(hang))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        body = await ask_and_leave()
        gc.collect()
        assert body() is None
        may_end.set()
        await hanging

    pool = WorkPool(threads=1, waiting=1, timeout=PATIENCE)
    try:
        asyncio.run(scene())
    finally:
        may_end.set()
