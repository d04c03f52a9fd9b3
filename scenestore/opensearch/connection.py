"""The connection to OpenSearch, and its errors in our words."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    ConnectionError,
    ConnectionTimeout,
    ImproperlyConfigured,
    OpenSearchException,
    SSLError,
    TransportError,
)

from scenestore.errors import RefusedError, StoreError, UnavailableError

OLDEST_VERSION = (2, 19)
_CONNECTIONS = 8
"""Kept open to each host: searches of a service's threads and parallel bulk requests."""

# What fails is raised to the caller, in our words; the client's own warnings would repeat it.
logging.getLogger("opensearch").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Options:
    """How to reach OpenSearch."""

    hosts: tuple[str, ...] = ("http://localhost:9200",)
    """URLs; a user and password in them are ignored."""
    user: str | None = None
    password: str = field(default="", repr=False)
    authorization: str | None = field(default=None, repr=False)
    """A whole Authorization header, in place of user and password."""
    ca_certs: str | None = None
    """Path of the certificates to trust; None: those that Python trusts."""
    verify_certs: bool = True
    timeout: float = 30.0
    """Seconds that one request may take."""
    retries: int = 3
    """How often a request that reached no node is sent again."""


def connect(options: Options) -> OpenSearch:
    """A client that answered once and is of a version we know; else StoreError."""
    encrypted = any(host.startswith("https:") for host in options.hosts)
    tls: dict[str, Any] = {}
    if encrypted:
        tls = {"verify_certs": options.verify_certs, "ssl_show_warn": False}
        tls["ca_certs"] = options.ca_certs
    try:
        client = OpenSearch(
            list(options.hosts),
            http_auth=(options.user, options.password) if options.user else None,
            headers={"authorization": options.authorization} if options.authorization else None,
            timeout=options.timeout,
            max_retries=options.retries,
            pool_maxsize=_CONNECTIONS,
            **tls,
        )
    except (ImproperlyConfigured, OSError, ValueError) as error:
        raise StoreError(f"OpenSearch at {', '.join(options.hosts)}: {error}") from error
    with translated(client):
        _check_version(client, client.info())
    return client


def _check_version(client: OpenSearch, info: dict[str, Any]) -> None:
    version = info.get("version", {})
    number = str(version.get("number", "unknown"))
    found = re.match(r"(\d+)\.(\d+)", number)
    if version.get("distribution") != "opensearch" or found is None:
        raise StoreError(f"{address(client)} answers, but is not OpenSearch; correct the address")
    if (int(found[1]), int(found[2])) < OLDEST_VERSION:
        raise StoreError(
            f"OpenSearch at {address(client)} is of version {number}; upgrade it to 2.19 or later"
        )


def address(client: OpenSearch) -> str:
    """The URLs that the client talks to."""
    return ", ".join(connection.host for connection in client.transport.seed_connections)


@contextmanager
def translated(client: OpenSearch) -> Iterator[None]:
    """Raise the client's errors as ours: what, where, what to do."""
    try:
        yield
    except OpenSearchException as error:
        raise _in_our_words(error, f"OpenSearch at {address(client)}") from error


def _in_our_words(error: Exception, where: str) -> StoreError:
    match error:
        case ConnectionTimeout():
            return UnavailableError(
                f"{where} did not answer in time; see whether it is overloaded, then run again"
            )
        case SSLError():
            return StoreError(
                f"{where}: no trusted TLS connection ({_cause(error)}); "
                "give the certificates to trust"
            )
        case ConnectionError():
            return UnavailableError(
                f"{where} cannot be reached ({_cause(error)}); start it or correct the address"
            )
        case TransportError():
            return refusal(error.status_code, *_type_and_reason(error), where)
        case _:
            return StoreError(f"{where}: {one_line(str(error))}")


def refusal(status: Any, type: str, reason: str, where: str) -> StoreError:
    """What a request, or one item of a bulk request, that OpenSearch refused amounts to."""
    reason = one_line(reason)
    if type == "cluster_block_exception":
        return StoreError(
            f"{where} is read-only: {reason}; make room on its disks or lift the block, "
            "then run again"
        )
    if type == "index_not_found_exception":
        return StoreError(f"{where}: {reason}; run `scenesift rebuild`")
    match status:
        case 401:
            return StoreError(f"{where} refuses the credentials; correct user and password")
        case 403:
            return StoreError(f"{where} does not permit this: {reason}; grant it to the user")
        case 413:
            return StoreError(
                f"{where}: the request is too large; raise http.max_content_length to 32mb or more"
            )
        case 429:
            return UnavailableError(f"{where} is overloaded: {reason}; try again later")
        case 502 | 503 | 504:
            return UnavailableError(f"{where} cannot serve this now: {reason}; try again later")
        case 400:
            return RefusedError(f"{where} refused a request ({status} {type}): {reason}")
        case _:
            return StoreError(f"{where} refused a request ({status} {type}): {reason}")


def _type_and_reason(error: TransportError) -> tuple[str, str]:
    info: Any = error.info
    cause = info.get("error") if isinstance(info, dict) else None
    if not isinstance(cause, dict):
        return "", str(cause or error.error)
    first = (cause.get("root_cause") or [cause])[0]
    return str(cause.get("type", "")), str(first.get("reason") or cause.get("reason") or "")


def _cause(error: TransportError) -> str:
    """The last words of a chain of connection errors: `Connection refused`."""
    return one_line(re.sub(r"^.*\]\s*", "", str(error.error)).strip("()' \"")) or "no reason given"


def one_line(text: str, longest: int = 300) -> str:
    """The text without line breaks, shortened."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
