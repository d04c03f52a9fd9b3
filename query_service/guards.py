"""What stands between the network and the routes, in its order."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from query_service import health, sign_in
from query_service.body_limit import BodyLimit
from query_service.head import HeadAsGet
from query_service.held_bytes import HeldBytes
from query_service.host_check import HostCheck
from query_service.key_ring import KeyRing
from query_service.metrics import Metrics
from query_service.request_log import HEADER, RequestLog
from query_service.require_key import RequireKey
from query_service.security_headers import SecurityHeaders
from query_service.settings import ServiceSettings

_TOLD = [HEADER, "retry-after", "link", "etag"]
"""Headers of ours that pages of other origins may read."""
_ASKED = ["authorization", "content-type", "accept", HEADER]
"""Headers that they may send."""
_PREFLIGHT_SECONDS = 600


def stand_guard(app: FastAPI, settings: ServiceSettings, metrics: Metrics, ring: KeyRing) -> None:
    """Put the guards before all routes of an app, those of mounted apps too.

    To be called last: the guard that is added last is the outermost.
    """
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        BodyLimit,
        most_bytes=settings.body_bytes,
        seconds=settings.body_seconds,
        held=HeldBytes(settings.held_bytes),
        observer=metrics,
    )
    if settings.keys:
        open_paths = (*health.OPEN_PATHS, *sign_in.OPEN_PATHS)
        app.add_middleware(
            RequireKey, ring=ring, observer=metrics, open_paths=open_paths, door=sign_in.door
        )
    if settings.origins:  # a preflight carries no key, so it is answered before one is asked for
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=_ASKED,
            expose_headers=_TOLD,
            max_age=_PREFLIGHT_SECONDS,
        )
    app.add_middleware(HostCheck, hosts=settings.hosts, observer=metrics)
    app.add_middleware(SecurityHeaders, shared=bool(settings.origins))
    app.add_middleware(RequestLog, metrics=metrics, is_local=settings.is_local)
