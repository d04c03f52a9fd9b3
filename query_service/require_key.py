"""Who may ask: the guard that looks for a key."""

from __future__ import annotations

from collections.abc import Callable, Collection

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from query_service import cookie
from query_service.key_ring import KeyRing
from query_service.observer import Observer
from query_service.problem import problem
from query_service.ticket import current_ticket
from scenestore.errors import UnavailableError

HOW = (
    "this service asks for a key; send it as `Authorization: Bearer KEY`. Its operator makes one "
    "with `scenesift key create NAME`"
)
UNKNOWN = (
    "this key is not known here, or was revoked; its operator makes one with `scenesift key create "
    "NAME`, which works at once"
)


class RequireKey:
    """Middleware that lets in who has a key, and anybody where a path is open to all."""

    def __init__(
        self,
        app: ASGIApp,
        ring: KeyRing,
        observer: Observer,
        open_paths: Collection[str] = (),
        door: Callable[[Request, int, str], Response | None] | None = None,
    ) -> None:
        """`door`: what stands for a refusal (its status, and why) where a person asks."""
        self._app = app
        self._ring = ring
        self._observer = observer
        self._open = frozenset(open_paths)
        self._door = door or (lambda request, status, why: None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 401 without a key that is in force, 503 where none can be read."""
        if scope["type"] == "http":
            token = _taken_token(scope)
            try:
                is_let_in = await self._is_let_in(scope, token)
            except UnavailableError as error:
                await self._refusal(scope, 503, str(error))(scope, receive, send)
                return
            if not is_let_in:
                self._observer.refused("key")
                answer = self._refusal(scope, 401, UNKNOWN if token else HOW)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, status: int, why: str) -> Response:
        request = Request(scope)
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        return self._door(request, status, why) or problem(request, status, why, headers)

    async def _is_let_in(self, scope: Scope, token: str | None) -> bool:
        is_open = scope["path"] in self._open
        if token is None:
            return is_open
        try:
            holder = await self._ring.holder(token)
        except UnavailableError:
            if not is_open:
                raise
            holder = None
        ticket = current_ticket.get()
        if ticket is not None:
            ticket.key = holder
        return holder is not None or is_open


def _taken_token(scope: Scope) -> str | None:
    """The key of a request, which is taken out of it: what follows cannot tell it on.

    A browser's cookie counts where there is no Authorization header.
    """
    kept = cookie.taken_token(scope)
    given = Headers(scope=scope).getlist("authorization")
    if not given and kept is not None:
        scope.setdefault("state", {})["form_mark"] = cookie.form_mark(kept)
        return kept
    scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
