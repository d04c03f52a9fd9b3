"""Bounds what callers may send, in bytes and in seconds: each of them, and all together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_service.held_bytes import HeldBytes, counted
from query_service.observer import Observer, Refused
from query_service.problem import problem

_LINGER_SECONDS = 2.0
"""For which the rest of a refused body is thrown away as it comes: a connection that is closed on
what its caller still sends is reset, and the refusal lost with it."""
_REASONS: Mapping[int, Refused] = {413: "body_bytes", 408: "body_seconds", 503: "held_bytes"}


class _EndedError(Exception):
    """Ends the application's wait for a body that is refused."""


class BodyLimit:
    """Middleware that refuses bodies that are too large (413) or take too long to come (408).

    And those for which there is no room beside the ones that are held already (503). What was
    announced as too large is refused unread; what was not announced, as soon as it is. A body is
    held until its request is answered: it lies in memory while the request waits for a thread.
    """

    def __init__(
        self, app: ASGIApp, most_bytes: int, seconds: float, held: HeldBytes, observer: Observer
    ) -> None:
        """A body has at most so many bytes, and has come so many seconds after its first wait."""
        self._app = app
        self._most = most_bytes
        self._seconds = seconds
        self._held = held
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if not told.isdecimal() or len(told) > 18 or int(told) > self._most:
            await self._refuse(413, scope, receive, send)
            return
        announced = int(told)
        if not self._held.has_room(announced):
            await self._refuse(503, scope, receive, send)
            return
        body = _Body(receive, self._most, self._seconds, announced, self._held)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if body.fault and not started:
                return  # what the application makes of it: ours is the answer
            started = True
            await send(message)

        try:
            await self._app(scope, body.receive, sending)
        except _EndedError:
            pass
        except Exception:
            if not body.fault:
                raise
        finally:
            self._held.give_back(body.counted)
        if body.fault and not started:
            await self._refuse(body.fault, scope, receive, send)

    async def _refuse(self, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        self._observer.refused(_REASONS[status])
        detail = {
            413: f"the request is larger than {self._most:,} bytes; send less",
            408: f"the request did not come within {self._seconds:g} s; send it faster, or less",
            503: "other requests fill the memory that there is for them; try again in a moment",
        }[status]

        async def sending(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({**message, "more_body": True})  # all of it is out with this
            await _throw_away(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        answer = problem(Request(scope), status, detail, {"connection": "close"})
        await answer(scope, receive, sending)


async def _throw_away(receive: Receive) -> None:
    """What still comes of a body."""
    deadline = time.monotonic() + _LINGER_SECONDS
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while time.monotonic() < deadline:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


class _Body:
    """Counts and times what is received."""

    def __init__(
        self, receive: Receive, most_bytes: int, seconds: float, announced: int, held: HeldBytes
    ) -> None:
        self._receive = receive
        self._most = most_bytes
        self._seconds = seconds
        self._announced = announced
        self._held = held
        self._came = 0
        self._deadline: float | None = None
        self._is_whole = False
        self.counted = 0
        """Bytes that it counts as among all that are held."""
        self.fault = 0
        """The status of what is wrong with it; 0 while nothing is."""

    async def receive(self) -> Message:
        """The next message; raises where the body broke a bound."""
        if self._is_whole:
            return await self._receive()
        if self._deadline is None:
            self._deadline = time.monotonic() + self._seconds
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            self.fault = 408
            raise _EndedError from None
        if message["type"] == "http.request":
            self._came += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._came > self._most:
                self.fault = 413
            elif not self._is_held():
                self.fault = 503
            if self.fault:
                raise _EndedError
        return message

    def _is_held(self) -> bool:
        """Count what has come; False where there is no room for it."""
        counts = counted(self._came, self._announced)
        if not self._held.take(counts - self.counted):
            return False
        self.counted = counts
        return True
