"""HTTP to a service of SceneSift: patient where it is busy, clear where it refuses."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx

from scenesift.errors import ProblemError, SettingsError, UnreachableError

_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_SOON = 1.0
"""Seconds to wait where the service does not say how long."""
_SHORTEST = 0.1
"""Seconds to wait at least: whatever is said, nobody is asked without a pause."""
_PROBLEM = "application/problem+json"
_RIGHT = "is `scenesift serve` running there, and is the address right?"
_UNEXPLAINED: Mapping[int, str] = {
    401: "a key is asked for, or this one is not taken; give the `key` of this service",
    403: "what stands before the service does not let this in; ask its operator",
    404: "there is no service of SceneSift at this address",
    408: "the request did not come in time; send less, or try again",
    410: "what was asked for is there no more; begin anew",
    413: "the request is too large; send less",
    429: "it is busy; try again later, or give more `patience`",
    500: "a fault of what answers; its log says more",
    502: "what stands before the service does not reach it; try again later",
    503: "it cannot answer now; try again later, or give more `patience`",
    504: "the answer took too long; ask for less, or try again later",
}
"""What is said of refusals that do not say it themselves: they come from what stands in between."""
_NOISE = re.compile(r"^\[[^]]*\] ?|\s*\(_ssl\.c:\d+\)|\.$")
"""What errors of sockets and of TLS have before and behind what people can read."""


class Connection:
    """Sends requests to one service; safe to share among threads."""

    def __init__(self, url: str, key: str | None, timeout: float, patience: float) -> None:
        """`timeout` is for one answer; `patience` bounds all waiting of a request. Seconds."""
        self._url = _address(url)
        self._timeout = _seconds("timeout", timeout, least=0.001)
        self._patience = _seconds("patience", patience, least=0.0)
        headers = {"User-Agent": "scenesift"}
        if key is not None:
            headers["Authorization"] = f"Bearer {_key(key)}"
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        except httpx.InvalidURL as error:
            raise _no_address(url) from error

    def get(self, path: str, accept: str, parameters: Mapping[str, Any] | None = None) -> bytes:
        """The answer to a GET, of the media type that is accepted."""
        return self._send("GET", path, accept, params=parameters)

    def post(self, path: str, body: Mapping[str, Any], accept: str) -> bytes:
        """The answer to a JSON body."""
        try:
            content = json.dumps(body, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise SettingsError(
                f"the query is nothing that JSON can hold ({error}); give plain texts, numbers, "
                "lists and dicts"
            ) from error
        headers = {"Content-Type": "application/json"}
        return self._send("POST", path, accept, content=content, headers=headers)

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def _send(self, method: str, path: str, accept: str, **request: Any) -> bytes:
        """What answers; everything here only reads, and so may be sent again."""
        request["headers"] = {"Accept": accept, **request.get("headers", {})}
        deadline = time.monotonic() + self._patience
        is_first = True
        while True:
            try:
                response, content = self._answer(method, path, request)
            except httpx.TimeoutException as error:
                raise UnreachableError(
                    f"no answer from {self._url} within {self._timeout:g} s; {_RIGHT}"
                ) from error
            except (httpx.RequestError, httpx.InvalidURL) as error:
                if is_first and isinstance(error, httpx.ReadError | httpx.RemoteProtocolError):
                    is_first = False  # a connection that was kept, and that the service had ended
                    continue
                why = _NOISE.sub("", str(error)) or type(error).__name__
                raise UnreachableError(f"no answer from {self._url}: {why}; {_RIGHT}") from error
            if response.is_success:
                if _media(response) != accept:
                    raise UnreachableError(
                        f"what answers at {self._url} is no service of SceneSift, or one of "
                        f"another version: it gives {_media(response)!a} for {accept}; {_RIGHT}"
                    )
                return content
            wait = _wait(response)
            if response.status_code not in _LATER or time.monotonic() + wait > deadline:
                raise self._problem(response, content)
            time.sleep(wait)

    def _answer(
        self, method: str, path: str, request: Mapping[str, Any]
    ) -> tuple[httpx.Response, bytes]:
        """One answer and its content, which has `timeout` as a whole and not a part at a time."""
        ends = time.monotonic() + self._timeout
        content = bytearray()
        with self._http.stream(method, path, **request) as response:
            for part in response.iter_bytes():
                content += part
                if time.monotonic() > ends:
                    raise httpx.ReadTimeout("the answer is too slow")
        return response, bytes(content)

    def _problem(self, response: httpx.Response, content: bytes) -> ProblemError:
        """What a refusal says, be it a problem or what something in between sent."""
        status = response.status_code
        told: Any = None
        if _media(response) == _PROBLEM:
            with suppress(ValueError, RecursionError):
                told = json.loads(content)
        if response.has_redirect_location:
            detail = f"this leads to {response.headers['Location']!a}; give that address"
        else:
            detail = _UNEXPLAINED.get(status, "no answer of a service of SceneSift")
        known = (
            {name: value for name, value in told.items() if value} if isinstance(told, dict) else {}
        )
        asked = f"{response.request.method} {response.request.url.path}"
        return problem_of(
            {
                "title": response.reason_phrase or "refused",
                "detail": f"{detail} ({asked} at {self._url})",
                "request_id": response.headers.get("X-Request-Id"),
                **known,
                "status": status,
            }
        )


def _address(url: object) -> str:
    """A URL as messages show it, without a password; UnreachableError where it is none."""
    if not isinstance(url, str):
        raise _no_address(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise _no_address(url) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _no_address(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _no_address(url: object) -> UnreachableError:
    shown = re.sub(r"[^/]*@", "", url) if isinstance(url, str) else url
    return UnreachableError(
        f"{shown!a} is no address of a service; give http://HOST:PORT, or https://HOST"
    )


def _key(key: object) -> str:
    if not isinstance(key, str) or not re.fullmatch(r"[!-~]+", key):
        raise SettingsError("key: this is none; give what `scenesift key create` printed")
    return key


def _seconds(name: str, value: object, least: float) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not least <= value < math.inf
    ):
        raise SettingsError(f"{name} is {value!a}; give seconds, {least:g} at least")
    return value


def _media(response: httpx.Response) -> str:
    media: str = response.headers.get("Content-Type", "")
    return media.partition(";")[0].strip().lower()


def _wait(response: httpx.Response) -> float:
    """Seconds that the service asks to wait, as a number or as a date."""
    asked = response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return max(_SHORTEST, float(asked))
    try:
        return max(_SHORTEST, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, OverflowError):
        return _SOON


def problem_of(told: Mapping[str, Any]) -> ProblemError:
    """The error that a problem is."""
    return ProblemError(
        int(told["status"]), str(told["title"]), str(told["detail"]), told.get("request_id")
    )
