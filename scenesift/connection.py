"""HTTP to a service of SceneSift: patient where it is busy, clear where it refuses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from scenesift.errors import ProblemError, UnreachableError

_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_SOON = 1.0
"""Seconds to wait where the service does not say how long."""


class Connection:
    """Sends requests to one service; safe to share among threads."""

    def __init__(self, url: str, key: str | None, timeout: float, patience: float) -> None:
        """`timeout` is for one answer; `patience` bounds all waiting of a request. Seconds."""
        headers = {"User-Agent": "scenesift"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        try:
            self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)
        except (httpx.InvalidURL, TypeError) as error:
            raise UnreachableError(f"{url!a} is no address; give http://HOST:PORT") from error
        self._url = url
        self._patience = patience

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> httpx.Response:
        """The answer to a GET."""
        return self._send("GET", path, params=parameters)

    def post(self, path: str, body: Mapping[str, Any], accept: str) -> httpx.Response:
        """The answer to a JSON body; everything here only reads, and so may be sent again."""
        return self._send("POST", path, json=body, headers={"Accept": accept})

    def close(self) -> None:
        """Give back the connections."""
        self._http.close()

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                response = self._http.request(method, path, **request)
            except (httpx.TransportError, httpx.InvalidURL) as error:
                raise UnreachableError(
                    f"no answer from {self._url}: {str(error) or type(error).__name__}; is "
                    "`scenesift serve` running there, and is the address right?"
                ) from error
            if response.is_success:
                return response
            wait = _wait(response)
            if response.status_code not in _LATER or time.monotonic() + wait > deadline:
                raise _problem(response)
            time.sleep(wait)


def _wait(response: httpx.Response) -> float:
    """Seconds that the service asks to wait, as a number or as a date."""
    asked = response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except ValueError:
        return _SOON


def _problem(response: httpx.Response) -> ProblemError:
    """What a refusal says, be it a problem or what something between us and the service sent."""
    told: Any = None
    if response.headers.get("Content-Type", "").partition(";")[0].endswith("json"):
        try:
            told = response.json()
        except ValueError:
            told = None
    other = {
        "status": response.status_code,
        "title": response.reason_phrase or "refused",
        "detail": f"{response.request.method} {response.request.url.path}",
        "request_id": response.headers.get("X-Request-Id"),
    }
    known = told if isinstance(told, dict) else {}
    return problem_of({**other, **known, "status": response.status_code})


def problem_of(told: Mapping[str, Any]) -> ProblemError:
    """The error that a problem is."""
    return ProblemError(
        int(told["status"]), str(told["title"]), str(told["detail"]), told.get("request_id")
    )
