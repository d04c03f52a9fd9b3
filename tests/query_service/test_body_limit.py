"""What callers may send: bytes of each and of all together, and seconds; on real sockets too."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from query_service import body_limit
from query_service.body_limit import BodyLimit
from query_service.held_bytes import CREDIT, SMALL_BYTES, HeldBytes, counted
from query_service.metrics import Metrics
from tests.query_service.serving import serving

PATIENCE = 30.0
"""Seconds: what takes longer hangs."""
LARGE = 200_000
MOST = 1_000_000


async def echo(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


async def headers(request: Request) -> Response:
    return JSONResponse(dict(request.headers))


def behind(*guards: Middleware) -> Starlette:
    routes = [Route("/echo/{name}", echo, methods=["POST"]), Route("/headers", headers)]
    return Starlette(routes=routes, middleware=guards)


def client(app: ASGIApp) -> TestClient:
    return TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def limited(metrics: Metrics, seconds: float = 30.0) -> ASGIApp:
    return behind(Middleware(BodyLimit, 1000, seconds, HeldBytes(10_000), metrics))


def test_a_body_up_to_the_limit_is_taken(metrics: Metrics) -> None:
    caller = client(limited(metrics))
    assert caller.post("/echo/a", content=b"x" * 1000).json()["bytes"] == 1000
    assert caller.post("/echo/a", content=iter([b"x" * 500] * 2)).json()["bytes"] == 1000
    assert caller.get("/headers").status_code == 200


def test_a_larger_body_is_refused_announced_or_not(metrics: Metrics) -> None:
    caller = client(limited(metrics))
    for content in (b"x" * 1001, iter([b"x" * 500, b"x" * 501])):
        answer = caller.post("/echo/a", content=content)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
        assert "1,000 bytes" in answer.json()["detail"]
    assert 'refused_total{reason="body_bytes"} 2.0' in metrics.page().decode()


def test_what_is_refused_is_not_read_to_its_end(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_limit, "_LINGER_SECONDS", 0.0)

    async def ask() -> tuple[list[Any], int]:
        sent: list[Any] = []
        taken = 0

        async def receive() -> Any:
            nonlocal taken
            taken += 1
            return {"type": "http.request", "body": b"x" * 400, "more_body": True}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/echo/a",
            "headers": [],
            "query_string": b"",
            "scheme": "http",
            "server": ("localhost", 80),
        }
        await limited(metrics)(scope, receive, send)
        return sent, taken

    sent, taken = asyncio.run(ask())
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert taken == 3


def test_an_upload_that_trickles_is_given_up(metrics: Metrics) -> None:
    with (
        serving(limited(metrics, seconds=0.3)) as address,
        socket.create_connection(address, timeout=30) as connection,
    ):
        started = time.monotonic()
        connection.sendall(b"POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        connection.setblocking(False)
        while time.monotonic() - started < 30:
            try:
                connection.sendall(b"x")
                if connection.recv(1, socket.MSG_PEEK):
                    break
            except BlockingIOError:
                time.sleep(0.02)
        connection.setblocking(True)
        connection.settimeout(30)
        answer.begin()
        assert answer.status == 408
        assert "within 0.3 s" in json.loads(answer.read())["detail"]
        assert answer.getheader("connection") == "close"


def test_a_length_that_no_number_can_be_is_refused(metrics: Metrics) -> None:
    for length in ("9" * 5_000, "-1", "1e3", "0x10"):
        answer = client(limited(metrics)).post("/echo/a", headers={"Content-Length": length})
        assert answer.status_code == 413


class Shelf:
    """A server that holds bodies until it is told to answer, with room for one large one."""

    def __init__(self, address: tuple[str, int], held: HeldBytes, answers: threading.Event) -> None:
        self.address = address
        self.held = held
        self.answers = answers

    def post(self, path: str, body: Any) -> tuple[int, dict[str, str], Any]:
        """Status, headers and content of an answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        connection.request("POST", path, body)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, content

    def until_held(self, bytes: int) -> None:
        """Wait until so many bytes are held."""
        deadline = time.monotonic() + PATIENCE
        while self.held.held != bytes:
            assert time.monotonic() < deadline, self.held.held
            time.sleep(0.005)


@pytest.fixture
def shelf(metrics: Metrics) -> Iterator[Shelf]:
    answers, held = threading.Event(), HeldBytes(LARGE + SMALL_BYTES)

    async def hold(request: Request) -> Response:
        length = len(await request.body())
        await asyncio.to_thread(answers.wait, PATIENCE)
        return JSONResponse({"bytes": length})

    app = Starlette(
        routes=[Route("/hold", hold, methods=["POST"]), Route("/echo", echo, methods=["POST"])],
        middleware=[Middleware(BodyLimit, MOST, PATIENCE, held, metrics)],
    )
    with serving(app) as address:
        yield Shelf(address, held, answers)
        answers.set()


def test_large_bodies_are_held_up_to_a_bound_and_small_ones_are_always_taken(
    shelf: Shelf, metrics: Metrics
) -> None:
    with ThreadPoolExecutor(1) as other:
        first = other.submit(shelf.post, "/hold", b"x" * LARGE)
        shelf.until_held(LARGE)
        for body in (b"x" * LARGE, iter([b"x" * 50_000] * 4)):  # announced, and not
            status, told, problem = shelf.post("/echo", body)
            assert status == 503
            assert int(told["retry-after"]) >= 1
            assert "memory" in problem["detail"]
        with socket.create_connection(shelf.address, timeout=PATIENCE) as caller:
            head = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n"
            caller.sendall(head.encode())
            unread = http.client.HTTPResponse(caller)
            unread.begin()
            assert unread.status == 503  # before a byte of it came
        assert shelf.post("/echo", b"x" * SMALL_BYTES)[0] == 200
        shelf.answers.set()
        assert first.result(PATIENCE)[2] == {"bytes": LARGE}
    assert shelf.post("/echo", b"x" * LARGE)[2] == {"bytes": LARGE}
    shelf.until_held(0)
    assert 'refused_total{reason="held_bytes"} 3.0' in metrics.page().decode()


def test_who_announces_much_and_sends_nothing_keeps_nobody_out(shelf: Shelf) -> None:
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n".encode()
    callers = [socket.create_connection(shelf.address) for _ in range(8)]
    for caller in callers:
        caller.sendall(head + b"x" * 100)
    assert shelf.post("/echo", b"x" * LARGE)[2] == {"bytes": LARGE}
    for caller in callers:
        caller.close()


def test_a_body_that_its_caller_leaves_is_held_no_more(shelf: Shelf) -> None:
    with socket.create_connection(shelf.address) as caller:
        head = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {LARGE}\r\n\r\n".encode()
        caller.sendall(head + b"x" * (SMALL_BYTES + 1))
        shelf.until_held(LARGE)  # the rest of it will come
    shelf.until_held(0)


def test_a_refusal_reaches_who_still_sends(shelf: Shelf) -> None:
    with socket.create_connection(shelf.address, timeout=PATIENCE) as caller:
        length = 8 * MOST
        caller.sendall(
            f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        for _ in range(8):
            caller.sendall(b"x" * MOST)
        answer = http.client.HTTPResponse(caller)
        answer.begin()
        assert answer.status == 413
        assert answer.getheader("connection") == "close"
        assert "larger than 1,000,000" in json.loads(answer.read())["detail"]


def test_a_body_counts_for_more_than_has_come_of_it_and_never_for_more_than_it_is() -> None:
    assert counted(SMALL_BYTES, 32 << 20) == 0
    assert counted(SMALL_BYTES + 1, 0) == SMALL_BYTES + 1
    assert counted(1 << 20, 32 << 20) == CREDIT << 20
    assert counted(20 << 20, 32 << 20) == counted(32 << 20, 32 << 20) == 32 << 20
