"""Callers that are slow with the head of a request, or do not end it, on a real socket."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from query_service import connection
from tests.query_service.serving import serving

Address = tuple[str, int]


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.headers.get("x-long", "")[:5] or "hello")


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """A server that gives heads 0.5 s."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.5)
    app = Starlette(routes=[Route("/", hello)])
    with serving(app, http=connection.Connection, ws="none") as address:
        yield address


def is_closed(caller: socket.socket, seconds: float = 30.0) -> bool:
    """Whether the server closes the connection, without a word, before the time is up."""
    caller.settimeout(seconds)
    try:
        return caller.recv(1_000) == b""
    except (TimeoutError, ConnectionResetError) as error:
        return isinstance(error, ConnectionResetError)


def trickle(caller: socket.socket) -> None:
    """One header after another, for half a minute at most."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        caller.sendall(b"X-Slow: 1\r\n")
        time.sleep(0.05)


@pytest.mark.parametrize("sent", [b"", b"GE", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_head_that_does_not_come_is_given_up(address: Address, sent: bytes) -> None:
    with socket.create_connection(address) as caller:
        caller.sendall(sent)
        assert is_closed(caller)


def test_a_head_that_trickles_is_given_up(address: Address) -> None:
    with socket.create_connection(address) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(OSError):
            trickle(caller)


def test_a_second_head_on_a_connection_is_given_up_too(address: Address) -> None:
    with socket.create_connection(address) as caller:
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answered = b""
        while not answered.endswith(b"hello"):
            part = caller.recv(1_000)
            assert part
            answered += part
        caller.sendall(b"GET / HT")
        assert is_closed(caller, 4.0)  # it would be idle for five


@pytest.mark.parametrize("part", [b"X-Long: %s\r\n", b"%s"])
def test_a_head_that_does_not_end_is_refused(address: Address, part: bytes) -> None:
    with socket.create_connection(address) as caller:
        caller.settimeout(30)
        caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-L: ")
        answered = b""
        try:
            for _ in range(100):
                caller.sendall(part % (b"x" * 10_000))
        except OSError:
            pass
        try:
            answered = caller.recv(1_000)
        except ConnectionResetError:
            return
        assert answered.startswith(b"HTTP/1.1 400")


def test_what_is_usual_is_answered_again_and_again(address: Address) -> None:
    caller = http.client.HTTPConnection(*address, timeout=30)
    for _ in range(3):
        caller.request("GET", "/", headers={"X-Long": "abcde" * 10_000})
        assert caller.getresponse().read() == b"abcde"
        time.sleep(0.6)  # longer than a head may take: nothing of it is owed yet
    caller.close()
