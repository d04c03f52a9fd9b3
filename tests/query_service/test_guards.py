"""What stands before the routes: ids, keys, limits, hosts and headers."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from query_service import key_ring
from query_service.host_check import LOOPBACK, HostCheck
from query_service.key_ring import KeyRing
from query_service.keys import Key, digest_of, new_token
from query_service.metrics import Metrics
from query_service.request_log import RequestLog
from query_service.require_key import RequireKey
from query_service.security_headers import SecurityHeaders
from query_service.ticket import current_id, note
from scenestore.errors import UnavailableError

PATIENCE = 30.0
"""Seconds: what takes longer hangs."""


async def echo(request: Request) -> Response:
    body = await request.body()
    note(bytes=len(body))
    return JSONResponse({"bytes": len(body), "id": current_id()})


async def headers(request: Request) -> Response:
    return JSONResponse(dict(request.headers))


async def broken(request: Request) -> Response:
    raise RuntimeError("the pipe burst")


def behind(*guards: Middleware) -> Starlette:
    """The routes behind guards, the outermost first."""
    routes = [
        Route("/echo/{name}", echo, methods=["POST"]),
        Route("/headers", headers),
        Route("/broken", broken),
        Mount("/stac", Starlette(routes=[Route("/items/{item}", headers)])),
    ]
    return Starlette(routes=routes, middleware=guards)


def logged(metrics: Metrics) -> Middleware:
    return Middleware(RequestLog, metrics)


def client(app: ASGIApp) -> TestClient:
    return TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[Any]]:
    """The request lines logged so far."""
    caplog.set_level(logging.INFO, "scenesift.request")
    return lambda: [r for r in caplog.records if r.name == "scenesift.request"]


def test_a_request_keeps_its_id_from_header_to_answer_to_log(
    metrics: Metrics, lines: Callable[[], list[Any]]
) -> None:
    caller = client(behind(logged(metrics)))
    answer = caller.post("/echo/a", content=b"abc", headers={"X-Request-ID": "my-request-1"})
    assert answer.headers["x-request-id"] == answer.json()["id"] == "my-request-1"
    (line,) = lines()
    assert (line.route, line.method, line.status, line.bytes) == ("/echo/{name}", "POST", 200, 3)


@pytest.mark.parametrize("given", ["short", "x" * 129, "with space", "a\tb-cdefgh", "ü" * 8])
def test_an_id_that_a_log_cannot_hold_is_replaced(metrics: Metrics, given: str) -> None:
    caller = client(behind(logged(metrics)))
    answer = caller.get("/headers", headers={b"X-Request-ID": given.encode()})
    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 32


def test_a_fault_of_the_program_is_a_problem_with_the_id_and_tells_nothing(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client(behind(logged(metrics))).get("/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "pipe" not in answer.text
    assert "the pipe burst" in caplog.text


def test_routes_are_counted_by_template(metrics: Metrics, lines: Callable[[], list[Any]]) -> None:
    caller = client(behind(logged(metrics)))
    for path in ("/headers", "/stac/items/1", "/stac/items/2", "/stac/no/such", "/no/such"):
        caller.get(path)
    caller.request("BREW", "/headers")
    page = metrics.page().decode()
    assert 'requests_total{method="GET",route="/stac/items/{item}",status="200"} 2.0' in page
    assert 'requests_total{method="other",route="/headers",status="405"} 1.0' in page
    assert "such" not in page
    assert {line.route for line in lines()} == {
        "/headers",
        "/stac/items/{item}",
        "/stac/none",
        "none",
    }


def test_every_answer_carries_the_headers(metrics: Metrics) -> None:
    caller = client(behind(Middleware(SecurityHeaders), logged(metrics)))
    for path in ("/headers", "/broken", "/no/such"):
        found = caller.get(path).headers
        assert found["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in found["content-security-policy"]
        assert "frame-ancestors 'none'" in found["content-security-policy"]
        assert found["referrer-policy"] == "no-referrer"
        assert found["cache-control"] == "no-store"
        assert "strict-transport-security" not in found
    secure = TestClient(behind(Middleware(SecurityHeaders)), base_url="https://search.example")
    assert "max-age" in secure.get("/headers").headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("a.search.example", 200),
        ("search.example", 421),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("localhost:80:80", 421),
        ("me@localhost", 421),
        ("", 421),
    ],
)
def test_a_request_for_another_name_is_refused(metrics: Metrics, host: str, status: int) -> None:
    caller = client(behind(Middleware(HostCheck, [*LOOPBACK, "*.search.example"], metrics)))
    answer = caller.get("/headers", headers={"Host": host})
    assert answer.status_code == status
    if status == 421:
        assert answer.json()["title"] == "Misdirected Request"


class Store:
    """Keys that can be changed, be away, or hang."""

    def __init__(self, **keys: str) -> None:
        self.keys = keys
        self.is_away = False
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()

    def load(self) -> list[Key]:
        self.asked += 1
        found = [Key(name, digest_of(token)) for name, token in self.keys.items()]
        assert self.answers.wait(PATIENCE)
        if self.is_away:
            raise UnavailableError("the store is away")
        return found


_RINGS: list[KeyRing] = []


def ring_of(store: Store) -> KeyRing:
    """A ring of a store's keys, which reads no more once the test is over."""
    _RINGS.append(KeyRing(store.load))
    return _RINGS[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Rings of a test end with it."""
    yield
    while _RINGS:
        _RINGS.pop().close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are read as often as can be."""
    monkeypatch.setattr(key_ring, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(key_ring, "_PAUSE_SECONDS", 0.01)


def until(is_so: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.005)


def ask(caller: TestClient, token: str | None, path: str = "/headers") -> int:
    given = {b"Authorization": f"Bearer {token}".encode()} if token is not None else {}
    return caller.get(path, headers=given).status_code


@pytest.mark.usefixtures("quick")
def test_who_has_a_key_is_let_in_and_the_log_says_who(
    metrics: Metrics, lines: Callable[[], list[Any]]
) -> None:
    ours, other = new_token(), new_token()
    ring = ring_of(Store(qgis=ours))
    caller = client(behind(logged(metrics), Middleware(RequireKey, ring, metrics)))
    assert ask(caller, ours) == 200
    assert ask(caller, other) == ask(caller, None) == ask(caller, "") == ask(caller, "ü") == 401
    assert caller.get("/headers", headers={"Authorization": f"bearer  {ours}"}).status_code == 200
    assert caller.get("/headers", headers={"Authorization": f"Basic {ours}"}).status_code == 401
    twice = [("Authorization", f"Bearer {other}"), ("Authorization", f"Bearer {ours}")]
    assert caller.get("/headers", headers=twice).status_code == 401
    refused = caller.get("/headers")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "scenesift key create" in refused.json()["detail"]
    assert [line.key for line in lines()[:2]] == ["qgis", None]


def test_what_follows_does_not_see_the_key(metrics: Metrics) -> None:
    token = new_token()
    caller = client(behind(Middleware(RequireKey, ring_of(Store(a=token)), metrics)))
    seen = caller.get("/headers", headers={"Authorization": f"Bearer {token}", "Accept": "x/y"})
    assert seen.json()["accept"] == "x/y"
    assert token not in seen.text


def test_open_paths_need_no_key(metrics: Metrics) -> None:
    ring = ring_of(Store())
    caller = client(behind(Middleware(RequireKey, ring, metrics, open_paths=["/headers"])))
    assert ask(caller, None) == 200
    assert ask(caller, None, "/headers/") == 401
    assert ask(caller, None, "/broken") == 401


@pytest.mark.usefixtures("quick")
def test_a_revoked_key_stops_though_nobody_comes_with_another(metrics: Metrics) -> None:
    old = new_token()
    store = Store(qgis=old)
    caller = client(behind(Middleware(RequireKey, ring_of(store), metrics)))
    assert ask(caller, old) == 200
    store.keys = {}
    until(lambda: ask(caller, old) == 401)


def test_a_new_key_works_from_its_first_use_on(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "_EVERY_SECONDS", 1e6)
    monkeypatch.setattr(key_ring, "_PAUSE_SECONDS", 0.2)
    old, new = new_token(), new_token()
    store = Store(qgis=old)
    caller = client(behind(Middleware(RequireKey, ring_of(store), metrics)))
    assert ask(caller, old) == 200
    store.keys = {"qgis": old, "ci": new}
    assert ask(caller, new) == 200
    assert ask(caller, old) == 200
    assert store.asked == 2


def test_a_flood_of_unknown_keys_makes_no_flood_of_readings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_ring, "_EVERY_SECONDS", 1e6)
    monkeypatch.setattr(key_ring, "_PAUSE_SECONDS", 0.5)
    store = Store(qgis=new_token())

    async def ask_all() -> None:
        ring = ring_of(store)
        assert await ring.holder(new_token()) is None
        found = await asyncio.gather(*(ring.holder(new_token()) for _ in range(200)))
        assert set(found) == {None}

    asyncio.run(ask_all())
    assert 2 <= store.asked <= 4  # one at a time, and a slow machine has time for some


@pytest.mark.usefixtures("quick")
def test_who_has_a_key_waits_for_no_store() -> None:
    token = new_token()
    store = Store(qgis=token)

    async def ask_often() -> None:
        ring = ring_of(store)
        assert await ring.holder(token) == "qgis"
        store.answers.clear()
        asked = store.asked
        async with asyncio.timeout(PATIENCE):
            while store.asked == asked:  # until one hangs
                await asyncio.sleep(0.005)
        async with asyncio.timeout(key_ring._WAIT_SECONDS / 2):
            for _ in range(100):
                assert await ring.holder(token) == "qgis"

    asyncio.run(ask_often())
    store.answers.set()


@pytest.mark.usefixtures("quick")
def test_a_store_that_is_away_for_long_lets_nobody_in(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token, other = new_token(), new_token()
    store = Store(qgis=token)
    caller = client(behind(Middleware(RequireKey, ring_of(store), metrics)))
    assert ask(caller, token) == 200
    store.is_away = True
    until(lambda: "the store is away" in caplog.text)
    assert ask(caller, token) == 200
    assert ask(caller, other) == 503  # it may be one: nobody can say
    monkeypatch.setattr(key_ring, "STALE_SECONDS", 0.0)
    answer = caller.get("/headers", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    store.is_away = False
    monkeypatch.undo()
    assert ask(caller, token) == 200


def test_a_store_that_hangs_is_waited_for_once_and_what_comes_late_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(key_ring, "_WAIT_SECONDS", 0.3)
    token = new_token()
    store = Store(qgis=token)
    store.answers.clear()

    async def ask_all() -> None:
        ring = ring_of(store)
        for _ in range(2):
            asked = [ring.holder(token) for _ in range(4)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(each) for each in found] == [UnavailableError] * 4
        assert caplog.text.count("no answer within") == 1
        store.answers.set()
        async with asyncio.timeout(PATIENCE):
            while ring._age > key_ring.STALE_SECONDS:
                await asyncio.sleep(0.005)
        assert await ring.holder(token) == "qgis"

    asyncio.run(ask_all())
    assert store.asked == 1


@pytest.mark.usefixtures("quick")
def test_keys_are_read_no_more_while_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "_IDLE_SECONDS", 0.0)
    token = new_token()
    store = Store(qgis=token)
    ring = ring_of(store)
    for _ in range(2):
        assert asyncio.run(ring.holder(token)) == "qgis"
        until(lambda: ring._reader is None)
    assert store.asked == 2


def test_a_probe_with_a_key_is_answered_though_no_key_can_be_read(metrics: Metrics) -> None:
    store = Store()
    store.is_away = True
    ring = ring_of(store)
    caller = client(behind(Middleware(RequireKey, ring, metrics, open_paths=["/headers"])))
    assert ask(caller, new_token()) == 200


def test_keys_are_long_random_and_marked() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(token.startswith("scenesift_") and len(token) == 53 for token in made)
    assert all(token not in repr(Key("a", digest_of(token))) for token in made)
