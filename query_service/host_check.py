"""Refuses requests for another host's name.

A page that a browser loaded from elsewhere can let its own name point at this machine; what it then
asks carries that name.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from query_service.observer import Observer
from query_service.problem import problem

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class HostCheck:
    """Middleware that lets in requests for given names; `*.example.org` is all below it."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str], observer: Observer) -> None:
        """Names without ports; none of them lets in all."""
        self._app = app
        self._hosts = [host.lower() for host in hosts]
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 421 where it is for somebody else."""
        if scope["type"] == "http" and self._hosts:
            host = host_name(Headers(scope=scope).get("host", ""))
            if host is None or not any(_is(host, allowed) for allowed in self._hosts):
                self._observer.refused("host")
                answer = problem(
                    Request(scope),
                    421,
                    "this service does not go by the name in the request's Host header; use "
                    "another address, or let the operator add the name (SCENESIFT_SERVE_HOSTS)",
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def host_name(header: str) -> str | None:
    """The name in a Host header, without port and brackets; None where it has none."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if parts.netloc == header and "@" not in header else None


def _is(host: str, allowed: str) -> bool:
    return host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:]))
