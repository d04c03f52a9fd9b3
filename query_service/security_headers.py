"""Headers that keep a browser from doing with our answers what nobody asked for."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
"""What a page of ours may load: scripts, styles and pictures of its own host, nothing written
into the page, and no other host at all."""

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
}
_YEAR = 31_536_000


class SecurityHeaders:
    """Middleware that adds them to every answer; what the answer says itself stays."""

    def __init__(self, app: ASGIApp, shared: bool = False) -> None:
        """`shared`: pages of other origins may show our pictures."""
        self._app = app
        resources = "cross-origin" if shared else "same-origin"
        self._headers = {**_HEADERS, "cross-origin-resource-policy": resources}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                # What an archive answers is for who asked: no proxy or browser keeps it.
                headers.setdefault("cache-control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", f"max-age={_YEAR}")
            await send(message)

        await self._app(scope, receive, sending)
