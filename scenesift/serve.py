"""The query service on the archive that the settings name."""

from __future__ import annotations

import ipaddress
import resource
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import uvicorn
from fastapi import FastAPI

from query_service.app import create_app as compose
from query_service.connection import Connection
from query_service.host_check import LOOPBACK
from query_service.logs import log_config
from query_service.server import Server
from query_service.settings import ServiceSettings
from query_service.supervisor import StartError, Supervisor
from scenesift.errors import ServeError
from scenesift.home import Home
from scenesift.keys import Keys
from scenesift.served import Served
from scenesift.settings import Settings, shared_metrics
from scenesift.stores import open_store

_WAITING = 2_048
"""Connections that a process holds, and that the operating system holds before they are taken."""


def create_app(settings: Settings, is_local: bool = False) -> FastAPI:
    """The app; the archive is opened when it starts. `is_local`: only this machine can ask."""
    return compose(partial(Served, settings), service_settings(settings, is_local))


def service_settings(settings: Settings, is_local: bool = False) -> ServiceSettings:
    """What the settings say of the service."""
    return ServiceSettings(
        threads=settings.serve_threads,
        waiting=settings.serve_waiting,
        timeout=settings.serve_timeout,
        image_bytes=settings.serve_image_bytes,
        image_pixels=settings.serve_image_pixels,
        body_bytes=settings.serve_body_bytes,
        held_bytes=settings.serve_held_bytes,
        body_seconds=settings.serve_body_seconds,
        keys=settings.serve_keys != "off",
        hosts=settings.serve_hosts or (),
        origins=settings.serve_origins,
        is_local=is_local,
        sources=dict(map(_base, settings.serve_sources)),
        cogs=settings.serve_cogs,
    )


def _base(given: str) -> tuple[str, str]:
    """The collection that NAME=ADDRESS is for, "" for ADDRESS alone, and the address."""
    name, equals, rest = given.partition("=")
    return (name, rest) if equals and "/" not in name else ("", given)


def serve(
    settings: Settings, host: str, port: int, workers: int, say: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or Ctrl-C, then let requests come to their end.

    All worker processes share one socket. `say` is told the address. Raises ServeError.
    """
    if settings.serve_held_bytes < settings.serve_body_bytes:
        raise ServeError(
            f"SCENESIFT_SERVE_HELD_BYTES is {settings.serve_held_bytes}, less than one request may "
            f"have (SCENESIFT_SERVE_BODY_BYTES, {settings.serve_body_bytes}); give as much or more"
        )
    Home(settings.home, open_store(settings))  # what cannot be one is said here, in one line
    with _listening(host, port) as listener:
        config = uvicorn.Config(
            partial(create_app, exposed(settings, listener), is_local=is_local(listener)),
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=log_config(settings.serve_log_format, settings.secrets),
            access_log=False,
            http=Connection,
            ws="none",
            limit_concurrency=_WAITING,
            server_header=False,
            forwarded_allow_ips=[*settings.serve_proxies],
            backlog=_WAITING,
        )
        _allow_connections()
        say(address(listener))
        try:
            if workers == 1:
                with suppress(KeyboardInterrupt):  # the server passes the signal on when it is done
                    Server(config, settings.serve_drain).run([listener])
            else:
                with shared_metrics():
                    Supervisor(config, listener, workers, settings.serve_drain).run()
        except (StartError, SystemExit) as error:
            raise ServeError("the service could not begin; its log says why") from error


def _allow_connections() -> None:
    """As many open files as may be: every client is one, and many systems begin with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def is_local(listener: socket.socket) -> bool:
    """Whether only this machine can connect."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def exposed(settings: Settings, listener: socket.socket) -> Settings:
    """The settings with all that depends on who can reach the service.

    ServeError where keys are asked for and there is none.
    """
    keys, hosts = settings.serve_keys, settings.serve_hosts
    if keys == "auto":
        keys = "off" if is_local(listener) else "required"
    if keys == "required" and not Keys(Home(settings.home, open_store(settings))).load():
        raise ServeError(
            "other machines may ask only with a key, and there is none; run `scenesift key create "
            "NAME`, or let anybody in with --keys off"
        )
    if hosts is None and is_local(listener):
        hosts = LOOPBACK
    return settings.model_copy(update={"serve_keys": keys, "serve_hosts": hosts})


def address(listener: socket.socket) -> str:
    """The URL that a socket answers at."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(_WAITING)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ServeError(
            f"cannot listen at {host}, port {port}: {error.strerror}; give another --host or --port"
        ) from error
    listener.set_inheritable(True)
    return listener
