"""Answers HEAD wherever GET is answered: the headers of the same answer, without its body."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Middleware, beneath all that asks which method a request came by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            scope["method"] = "HEAD"  # the server looks there for what may be sent
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        scope["method"] = "GET"  # in place: who logs it later finds the route in this scope
        try:
            await self._app(scope, receive, sending)
        finally:
            scope["method"] = "HEAD"
