"""The server's end, and callers that stand still or send without end, on real sockets."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from query_service import connection, server, supervisor
from query_service.connection import AHEAD, HEADERS, Connection
from query_service.server import Server
from query_service.supervisor import StartError, Supervisor

PATIENCE = 30.0
"""Seconds: what takes longer hangs."""
GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 32 << 20
"""More bytes than what lies between two sockets takes."""


class Stage:
    """A server in a thread, and routes to keep it busy."""

    def __init__(self, loop: Any, backlog: int) -> None:
        self.held, self.goes_on = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        routes = [
            Route("/", self._hello, methods=["GET", "POST"]),
            Route("/large", self._large),
            Route("/hold", self._hold),
            Route("/body", self._body, methods=["POST"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            http=Connection,
            ws="none",
            loop=loop,
            backlog=backlog,
        )
        self.server = Server(config, PATIENCE)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],), daemon=True)

    async def _hello(self, request: Request) -> Response:
        return PlainTextResponse("hello")

    async def _body(self, request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    async def _large(self, request: Request) -> Response:
        return Response(b"x" * LARGE)

    async def _hold(self, request: Request) -> Response:
        self.held.set()
        assert self.goes_on.wait(PATIENCE)  # on the event loop: nothing else is done
        return PlainTextResponse("held")

    def connect(self, *sent: bytes) -> socket.socket:
        """A connection over which something was sent."""
        caller = socket.create_connection(self.address, timeout=PATIENCE)
        caller.sendall(b"".join(sent))
        return caller

    def ends(self) -> None:
        """Wait until the end has begun: nobody can connect any more."""
        self.server.should_exit = True
        until(lambda: not self._listens())

    def _listens(self) -> bool:
        try:
            socket.create_connection(self.address, timeout=PATIENCE).close()
        except ConnectionError:
            return False
        return True


def until(is_so: Any) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.005)


@contextmanager
def staged(loop: Any = "auto", backlog: int = 100) -> Iterator[Stage]:
    stage = Stage(loop, backlog)
    stage.thread.start()
    until(lambda: stage.server.started)
    try:
        yield stage
    finally:
        stage.goes_on.set()
        stage.server.should_exit = True
        stage.thread.join(PATIENCE)
        assert not stage.thread.is_alive()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage


@pytest.fixture(autouse=True)
def stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests outlives the server."""
    monkeypatch.setattr(server, "_leave_in", lambda seconds: threading.Timer(0, lambda: None))


def answer(caller: socket.socket) -> tuple[int, str, bool]:
    """Status, content, and whether the connection is closed after it."""
    response = http.client.HTTPResponse(caller)
    response.begin()
    return response.status, response.read().decode(), response.will_close


def is_ended(caller: socket.socket) -> bool:
    """Whether the server ends the connection, now or in a while."""
    try:
        while caller.recv(1 << 20):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def test_who_connected_before_the_end_is_answered_after_it_has_begun(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LAST_SECONDS", PATIENCE)
    idle, fresh = stage.connect(GET % b""), stage.connect()
    assert answer(idle) == (200, "hello", False)
    stage.ends()
    for caller in (idle, fresh):
        caller.sendall(GET % b"")
        assert answer(caller) == (200, "hello", True)
        assert is_ended(caller)
    stage.thread.join(PATIENCE)
    assert not stage.thread.is_alive()


def test_who_sends_nothing_does_not_keep_the_server(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LAST_SECONDS", 0.1)
    idle, fresh = stage.connect(GET % b""), stage.connect()
    assert answer(idle)[0] == 200
    stage.ends()
    stage.thread.join(PATIENCE)
    assert not stage.thread.is_alive()
    assert is_ended(idle)
    assert is_ended(fresh)


def test_connections_that_nobody_has_taken_yet_are_answered() -> None:
    # asyncio takes as many a turn as its backlog says, so one of two is left to the end.
    with staged("asyncio", backlog=1) as stage:
        holding = stage.connect(GET % b"hold")
        assert stage.held.wait(PATIENCE)
        waiting = [stage.connect(GET % b"") for _ in range(2)]
        stage.server.should_exit = True
        time.sleep(0.2)  # so that the server's next look at it is due
        stage.goes_on.set()
        assert answer(holding)[:2] == (200, "held")
        assert [answer(caller)[:2] for caller in waiting] == [(200, "hello")] * 2


def test_requests_that_outlast_the_drain_are_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with staged() as stage:
        stage.server._drain = 0.2
        caller = stage.connect(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        until(lambda: stage.server.server_state.tasks)
        stage.ends()
        stage.thread.join(PATIENCE)
        assert not stage.thread.is_alive()
        assert is_ended(caller)
    assert "those under way have 0.2 s" in caplog.text or "given up, after 0.2 s" in caplog.text


@asynccontextmanager
async def failing(app: Starlette) -> AsyncIterator[None]:
    if not app.routes:
        raise RuntimeError("the archive is not to be found")
    yield


cannot_begin = Starlette(lifespan=failing)


def test_processes_that_cannot_begin_are_not_begun_again(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            f"{__name__}:cannot_begin", log_config=None, http=Connection, workers=2
        )
        with pytest.raises(StartError):
            Supervisor(config, listener, 2, 1.0).run()
    said = capfd.readouterr().err
    assert 1 <= said.count("startup failed") <= 2  # once in each process
    assert "takes its place" not in said


async def tell(request: Request) -> Response:
    return PlainTextResponse(str(os.getpid()))


async def hang(request: Request) -> Response:
    while True:  # on the event loop: nothing else is done, but other threads go on
        time.sleep(0.01)


tells_its_pid = Starlette(routes=[Route("/", tell), Route("/hang", hang)])


def supervised(act: Callable[[tuple[str, int]], None]) -> None:
    """Let two processes serve while a thread acts on them; what it raises is raised."""
    ours = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGTERM, signal.SIGHUP)}
    raised: list[BaseException] = []

    def acting() -> None:
        try:
            act(listener.getsockname())
        except BaseException as error:
            raised.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            f"{__name__}:tells_its_pid", log_config=None, http=Connection, workers=2
        )
        thread = threading.Thread(target=acting)
        thread.start()
        try:
            Supervisor(config, listener, 2, 1.0).run()
        finally:
            thread.join(2 * PATIENCE)
            for each, handler in ours.items():
                signal.signal(each, handler)
    if raised:
        raise raised[0]


def pid_of(address: tuple[str, int]) -> int:
    """Of the process that takes a connection."""
    with socket.create_connection(address, timeout=PATIENCE) as caller:
        caller.sendall(GET % b"")
        return int(answer(caller)[1])


def test_a_hangup_finds_a_process_that_waits_for_its_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "YOUNG_SECONDS", 1e6)

    def kill_one_and_renew_all(address: tuple[str, int]) -> None:
        killed = pid_of(address)
        os.kill(killed, signal.SIGKILL)
        until(lambda: "another takes its place" in caplog.text)
        old, new = {killed, pid_of(address)}, set[int]()

        def both_are_new() -> bool:
            new.add(pid_of(address))
            return len(new - old) == 2

        os.kill(os.getpid(), signal.SIGHUP)
        until(both_are_new)

    supervised(kill_one_and_renew_all)


def test_a_process_whose_event_loop_hangs_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def hang_one(address: tuple[str, int]) -> None:
        with socket.create_connection(address, timeout=PATIENCE) as caller:
            caller.sendall(GET % b"")
            hanging = answer(caller)[1]
            caller.sendall(GET % b"hang")
            with monkeypatch.context() as patience:  # what begins meanwhile says nothing either
                patience.setattr(supervisor, "HUNG_SECONDS", 5.0)
                until(lambda: f"{hanging} has said nothing" in caplog.text)

    supervised(hang_one)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers are soon found to stand still."""
    monkeypatch.setattr(connection, "STILL_SECONDS", 0.2)
    monkeypatch.setattr(server, "_SWEEP_TICKS", 1)


@pytest.mark.usefixtures("impatient")
def test_who_does_not_take_an_answer_is_given_up(stage: Stage) -> None:
    caller = stage.connect(GET % b"large")
    until(lambda: stage.server.server_state.total_requests == 1)
    until(lambda: not stage.server.server_state.connections)
    assert is_ended(caller)


@pytest.mark.usefixtures("impatient")
def test_who_takes_an_answer_in_pieces_gets_all_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STILL_SECONDS", 1.0)
    caller = stage.connect(GET % b"large")
    got, until_then = 0, time.monotonic() + 2.5  # longer than one may stand still
    while got < LARGE:
        part = caller.recv(1 << 18)
        assert part
        got += len(part)
        if time.monotonic() < until_then:
            time.sleep(0.02)
    caller.sendall(GET % b"")


@pytest.mark.usefixtures("impatient")
def test_who_leaves_the_rest_of_a_body_out_after_the_answer_is_given_up(stage: Stage) -> None:
    caller = stage.connect(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert answer(caller) == (200, "hello", False)
    caller.sendall(b"x")  # with this the time that a connection may be idle counts no more
    assert is_ended(caller)


@pytest.mark.usefixtures("impatient")
def test_who_is_idle_between_two_requests_is_left_alone(stage: Stage) -> None:
    caller = stage.connect()
    for _ in range(2):
        caller.sendall(GET % b"")
        assert answer(caller) == (200, "hello", False)
        time.sleep(0.6)


def test_connections_beyond_the_bound_are_closed_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SPARE", 2)
    monkeypatch.setattr(stage.server.config, "limit_concurrency", 2)
    first = stage.connect(GET % b"")
    assert answer(first)[0] == 200
    waiting = [stage.connect() for _ in range(3)]
    until(lambda: len(stage.server.server_state.connections) == 4)
    assert is_ended(stage.connect(GET % b""))
    for caller in waiting:
        caller.sendall(GET % b"")
        assert answer(caller)[0] == 503  # there are as many as the bound says
    first.sendall(GET % b"")
    assert answer(first)[0] in (200, 503)


def test_more_headers_than_anybody_needs_are_refused(stage: Stage) -> None:
    def head(count: int) -> bytes:
        return b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * count + b"\r\n"

    assert answer(stage.connect(head(HEADERS)))[0] == 200
    refused = stage.connect(head(HEADERS + 1))
    assert answer(refused)[0] == 400
    assert is_ended(refused)


def test_requests_sent_ahead_are_answered_up_to_a_bound(stage: Stage) -> None:
    usual, got = stage.connect(GET % b"" * AHEAD), b""
    while got.count(b"hello") < AHEAD:
        got += usual.recv(1 << 20)
    flood = stage.connect(GET % b"" * 1_000)
    assert is_ended(flood)
    until(lambda: not stage.server.server_state.tasks)
    assert stage.server.server_state.total_requests <= 2 * AHEAD + 1


CHUNKED = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_head_that_begins_behind_a_large_body_is_taken() -> None:
    body, further = b"x" * 90_000, GET % b""
    head = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    with staged() as stage:
        stage.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        holding = stage.connect(GET % b"hold")
        assert stage.held.wait(PATIENCE)
        caller = stage.connect(head, body, further[:9])  # lies there as one piece until it is read
        stage.goes_on.set()
        assert answer(holding)[1] == "held"
        assert answer(caller)[:2] == (200, str(len(body)))
        caller.sendall(further[9:])
        assert answer(caller)[:2] == (200, "hello")


@pytest.mark.parametrize("part", [b"x" * 10_000, b"A: b\r\n"], ids=["one", "many"])
def test_what_follows_a_body_in_pieces_without_end_is_refused(stage: Stage, part: bytes) -> None:
    with stage.connect(CHUNKED + b"1\r\nx\r\n0\r\nA: ") as caller:
        try:
            for _ in range(1_000):
                caller.sendall(part)
        except ConnectionError:
            return
        assert is_ended(caller)


def test_a_body_in_the_smallest_pieces_is_taken(stage: Stage) -> None:
    caller = stage.connect(CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
    assert answer(caller) == (200, "100000", False)
