"""Bounds what a caller may send, in bytes and in seconds."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_service.observer import Observer
from query_service.problem import problem


class _EndedError(Exception):
    """Ends the application's wait for a body that is refused."""


class BodyLimit:
    """Middleware that refuses bodies that are too large (413) or take too long to come (408).

    What was announced as too large is refused unread; what was not announced, as soon as it is.
    """

    def __init__(self, app: ASGIApp, most_bytes: int, seconds: float, observer: Observer) -> None:
        """A body has at most so many bytes, and has come so many seconds after its first wait."""
        self._app = app
        self._most = most_bytes
        self._seconds = seconds
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._most:
            await self._refuse(413, scope, receive, send)
            return
        body = _Body(receive, self._most, self._seconds)
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
        if body.fault and not started:
            await self._refuse(body.fault, scope, receive, send)

    async def _refuse(self, status: int, scope: Scope, receive: Receive, send: Send) -> None:
        self._observer.refused("body_bytes" if status == 413 else "body_seconds")
        detail = (
            f"the request is larger than {self._most:,} bytes; send less"
            if status == 413
            else f"the request did not come within {self._seconds:g} s; send it faster, or less"
        )
        # The rest of it is not read: the connection is of no further use.
        await problem(Request(scope), status, detail, {"connection": "close"})(scope, receive, send)


class _Body:
    """Counts and times what is received."""

    def __init__(self, receive: Receive, most_bytes: int, seconds: float) -> None:
        self._receive = receive
        self._left = most_bytes
        self._seconds = seconds
        self._deadline: float | None = None
        self._is_whole = False
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
            self._left -= len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._left < 0:
                self.fault = 413
                raise _EndedError
        return message
