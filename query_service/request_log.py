"""Gives every request an id, one line in the log and a place in the metrics."""

from __future__ import annotations

import asyncio
import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from query_service.metrics import Metrics
from query_service.problem import problem
from query_service.ticket import Ticket, current_ticket, request_id

HEADER = "x-request-id"
_GONE = 499
"""What the log says where the caller went away before the answer; nobody receives it."""
_PROBES = ("/healthz", "/readyz", "/metrics")
"""Asked every few seconds by machines, which is worth a line only where it fails."""

_NO_ROUTE = "none"
"""What stands for a path that no route has; under `/stac` it is `/stac/none`."""

log = logging.getLogger("scenesift.request")


class RequestLog:
    """The outermost middleware: what fails in all others is said here, with the id."""

    def __init__(self, app: ASGIApp, metrics: Metrics, is_local: bool = False) -> None:
        """`is_local`: only people at this machine can ask."""
        self._app = app
        self._is_local = is_local
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; an error that nobody handled becomes a problem and a traceback."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id = request_id(Headers(scope=scope).get(HEADER))
        ticket = Ticket(id, is_local=self._is_local)
        scope.setdefault("state", {})["request_id"] = ticket.id
        token = current_ticket.set(ticket)
        started = time.perf_counter()
        status = _GONE

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = ticket.id
            await send(message)

        self._metrics.began()
        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:  # by the server, at its end
            if status != _GONE:
                raise
            close = {"connection": "close"}
            answer = problem(Request(scope), 503, "the service ends now; ask again", close)
            await answer(scope, receive, sending)
        except Exception:
            log.exception("the request failed, which is a fault of the program")
            if status != _GONE:
                raise  # half an answer is out: only cutting it off tells the caller
            answer = problem(Request(scope), 500, "a fault of the service; its log says more")
            await answer(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - started
            route, method = route_of(scope), scope["method"]
            self._metrics.ended(route, method, status, seconds)
            is_probe = route in _PROBES and status < 400
            log.log(
                logging.DEBUG if is_probe else logging.INFO,
                "%s %s %d %.1f ms",
                method,
                route,
                status,
                1000 * seconds,
                extra={
                    "route": route,
                    "method": method,
                    "status": status,
                    "ms": round(1000 * seconds, 2),
                    "client": scope["client"][0] if scope.get("client") else None,
                    "key": ticket.key,
                    **ticket.facts,
                },
            )
            current_ticket.reset(token)


def route_of(scope: Scope) -> str:
    """The template of the route that a request met, such as `/entries/{id}`; never its path."""
    route, above = scope.get("route"), scope.get("root_path", "")
    path = None if route is None or isinstance(route, Mount) else getattr(route, "path", None)
    if path is None:
        return f"{above}/{_NO_ROUTE}" if above else _NO_ROUTE
    return f"{above}{path}"
