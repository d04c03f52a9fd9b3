"""Bearer keys: who may ask, known by digests alone.

A key is 256 random bits, so that nobody finds one by trying, and one SHA-256 is all that keeps it
at rest: slow hashes are for passwords, which people choose and which can be guessed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import math
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from query_service.observer import Observer
from query_service.problem import problem
from query_service.ticket import current_ticket
from scenestore.errors import UnavailableError
from sgpd.errors import SceneSiftError

MARK = "scenesift_"
"""Begins every key, so that those who look for lost secrets know one."""
REFRESH_SECONDS = 10.0
"""How long a key may work that was revoked, where the keys can be read."""
STALE_SECONDS = 60.0
"""How long where they cannot: after that nobody is let in."""

BEARER = HTTPBearer(
    auto_error=False, scheme_name="key", description="A key of `scenesift key create`."
)
"""For the OpenAPI document alone: `RequireKey` has looked before any route is reached."""

_BYTES = 32
_RETRY_SECONDS = 2.0
_WAIT_SECONDS = 5.0
_HOW = (
    "this service asks for a key; send it as `Authorization: Bearer KEY`. Its operator makes one "
    "with `scenesift key create NAME`"
)
_UNKNOWN = (
    "this key is not known here, or was revoked; its operator makes one with `scenesift key create "
    "NAME`, which works within ten seconds"
)
log = logging.getLogger("scenesift.keys")


def new_token() -> str:
    """A key as its holder gets it."""
    return MARK + secrets.token_urlsafe(_BYTES)


def digest_of(token: str) -> str:
    """What is kept of a key: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key."""

    name: str
    digest: str


class KeyRing:
    """The keys in force, read anew when they are REFRESH_SECONDS old."""

    def __init__(self, load: Callable[[], Collection[Key]]) -> None:
        """`load` reads the keys; it may take its time, and may raise SceneSiftError."""
        self._load = load
        self._keys: Collection[Key] = ()
        self._read = -math.inf
        self._failed = -math.inf
        self._asked = -math.inf
        self._loading: asyncio.Task[Collection[Key]] | None = None
        self._lock = asyncio.Lock()

    async def holder(self, token: str) -> str | None:
        """Name of the key that a token is; None where it is none.

        UnavailableError where the keys could not be read for STALE_SECONDS.
        """
        if self._age >= REFRESH_SECONDS:
            async with self._lock:
                await self._refresh()
        digest = digest_of(token)
        holder = None
        for key in self._keys:  # all of them: the time must not tell which was near
            if hmac.compare_digest(key.digest, digest):
                holder = key.name
        return holder

    async def _refresh(self) -> None:
        """Read the keys, unless another request just did, or just failed to."""
        is_due = time.monotonic() - self._failed >= _RETRY_SECONDS
        if self._age >= REFRESH_SECONDS and is_due:
            await self._read_anew()
        if self._age >= STALE_SECONDS:
            raise UnavailableError("the keys cannot be read now; try again later")

    async def _read_anew(self) -> None:
        # One that hangs is waited for again: threads that wait for a store must not pile up.
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self._load))
            self._asked = time.monotonic()
        loading = self._loading
        await asyncio.wait([loading], timeout=_WAIT_SECONDS)
        if not loading.done():
            self._failed = time.monotonic()  # those that queue behind this one do not wait as well
            log.warning("the keys cannot be read: no answer within %g s", _WAIT_SECONDS)
            return
        self._loading = None
        try:
            self._keys, self._read = loading.result(), self._asked
        except SceneSiftError as error:
            self._failed = time.monotonic()
            log.warning("the keys cannot be read: %s", error)

    @property
    def _age(self) -> float:
        """Seconds since the keys were read."""
        return time.monotonic() - self._read


class RequireKey:
    """Middleware that lets in who has a key, and anybody where a path is open to all."""

    def __init__(
        self, app: ASGIApp, ring: KeyRing, observer: Observer, open_paths: Collection[str] = ()
    ) -> None:
        self._app = app
        self._ring = ring
        self._observer = observer
        self._open = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; 401 without a key that is in force, 503 where none can be read."""
        if scope["type"] == "http":
            token = _taken_token(scope)
            try:
                is_let_in = await self._is_let_in(scope, token)
            except UnavailableError as error:
                await problem(Request(scope), 503, str(error))(scope, receive, send)
                return
            if not is_let_in:
                self._observer.refused("key")
                answer = problem(
                    Request(scope), 401, _UNKNOWN if token else _HOW, {"WWW-Authenticate": "Bearer"}
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _is_let_in(self, scope: Scope, token: str | None) -> bool:
        if scope["path"] in self._open and token is None:
            return True
        holder = await self._ring.holder(token) if token else None
        ticket = current_ticket.get()
        if ticket is not None:
            ticket.key = holder
        return holder is not None or scope["path"] in self._open


def _taken_token(scope: Scope) -> str | None:
    """The bearer token of a request, which is taken out of it: what follows cannot tell it on."""
    headers = Headers(scope=scope)
    given = headers.getlist("authorization")
    scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"authorization"]
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
