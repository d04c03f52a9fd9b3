"""What OpenSearch refuses, in our words: what, where, what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    ConnectionError,
    ConnectionTimeout,
    OpenSearchException,
    SSLError,
    TransportError,
)

from scenestore.errors import RefusedError, StoreError, UnavailableError

_NO_MANAGER = ("cluster_manager_not_discovered_exception", "master_not_discovered_exception")
_RED = ("unavailable_shards_exception", "no_shard_available_action_exception")
_SHARDS_SHOWN = 5


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
                f"{where} did not answer in time; see whether it is overloaded, or its cluster "
                "red, then run again"
            )
        case SSLError():
            return StoreError(
                f"{where}: no trusted TLS connection ({_cause(error)}); "
                "give the certificates to trust, and yours where they are asked for"
            )
        case ConnectionError():
            return UnavailableError(
                f"{where} cannot be reached ({_cause(error)}); start it or correct the address"
            )
        case TransportError():
            return refusal(error.status_code, _error_of(error), where)
        case _:
            return StoreError(f"{where}: {one_line(str(error))}")


def _error_of(error: TransportError) -> Mapping[str, Any]:
    """What was answered as `error`; a proxy may answer anything."""
    cause = error.info.get("error") if isinstance(error.info, dict) else None
    return cause if isinstance(cause, dict) else {"reason": str(cause or error.error)}


def refusal(status: Any, cause: Mapping[str, Any], where: str) -> StoreError:
    """What a request, or one item of a bulk request, that OpenSearch refused amounts to.

    `cause` is what it answered as `error`.
    """
    kind, reason = str(cause.get("type", "")), one_line(_reason(cause))
    if kind == "search_phase_execution_exception" and status >= 500:
        return UnavailableError(
            f"{where} cannot search {_failed_shards(cause)}; start the nodes that hold them, or "
            "restore them; a search may go on without them (--partial)"
        )
    if kind in _NO_MANAGER or (kind == "cluster_block_exception" and status == 503):
        return UnavailableError(
            f"{where} has no cluster manager ({reason}); start more of its nodes, then run again"
        )
    if kind in _RED:
        return UnavailableError(
            f"{where} is red ({reason}); start the nodes that hold the shards or restore them, "
            "then run again"
        )
    if kind == "cluster_block_exception":
        return StoreError(
            f"{where} is read-only: {reason}; make room on its disks or lift the block, "
            "then run again"
        )
    if kind == "index_not_found_exception":
        return StoreError(f"{where}: {reason}; run `scenesift rebuild`")
    match status:
        case 401:
            return StoreError(f"{where} refuses the credentials; correct user and password")
        case 403:
            return StoreError(f"{where} does not permit this: {reason}; grant it to the user")
        case 413:
            return StoreError(
                f"{where}: the request is too large; raise http.max_content_length, or the limit "
                "of a proxy before it, to 32mb or more"
            )
        case 429:
            return UnavailableError(f"{where} is overloaded: {reason}; try again later")
        case 502 | 503 | 504:
            return UnavailableError(f"{where} cannot serve this now: {reason}; try again later")
        case 400:
            return RefusedError(f"{where} refused a request ({status} {kind}): {reason}")
        case _:
            return StoreError(f"{where} refused a request ({status} {kind}): {reason}")


def _failed_shards(cause: Mapping[str, Any]) -> str:
    """Which shards a search could not reach, and why."""
    reason = _reason(cause)
    failed = [(shard["index"], shard["shard"]) for shard in cause.get("failed_shards", ())]
    missing = re.findall(r"\[([^][\s]+)\]\[(\d+)\]", reason)
    named = [f"shard {number} of {index}" for index, number in dict.fromkeys([*failed, *missing])]
    why = one_line(reason) if failed else "no node has them"
    return f"{', '.join(named[:_SHARDS_SHOWN]) or 'any shard'} ({why})"


def _reason(cause: Mapping[str, Any]) -> str:
    """What went wrong, with what caused it."""
    first = (cause.get("root_cause") or [cause])[0]
    return _chain(first) or _chain(cause)


def _chain(cause: Mapping[str, Any]) -> str:
    reasons = [str(cause.get("reason") or "")]
    while isinstance(cause := cause.get("caused_by", {}), dict) and cause:
        reasons.append(str(cause.get("reason") or ""))
    return ": ".join(filter(None, reasons))


def _cause(error: TransportError) -> str:
    """The last words of a chain of connection errors: `Connection refused`."""
    return one_line(re.sub(r"^.*\]\s*", "", str(error.error)).strip("()' \"")) or "no reason given"


def one_line(text: str, longest: int = 300) -> str:
    """The text without line breaks, shortened."""
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
