"""What happens beneath the running service: switches, lost files, an engine that is away."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from query_service import service
from scenesift.archive import Archive
from scenesift.serve import create_app
from scenestore import shared
from scenestore.shared import FOLLOW_SECONDS
from sgpd.fit import FitSettings
from tests.query_service.conftest import Client, running, serving, settings_of
from tests.scenestore.proxy import Answer, Request, proxy

SEARCH: dict[str, Any] = {"text": "a red field", "k": 5}
READS = {"_search", "_msearch", "_mget", "_count"}


@pytest.fixture
def home(served_home: Path, tmp_path: Path) -> Path:
    """A copy of the archive."""
    shutil.copytree(served_home, tmp_path / "home")
    return tmp_path / "home"


def test_pages_go_on_over_a_switch_and_end_with_their_generation(
    home: Path, model: Path, images: Path
) -> None:
    with (
        Archive(home, model=str(model), threads=1) as archive,
        serving(home, model) as client,
    ):
        whole = client.post("/search", {**SEARCH, "k": 10})
        first = client.post("/search", SEARCH)
        assert first["generation"] == "g1"
        archive.fit(images, settings=FitSettings(cells=3, prototypes=12))
        archive.switch_generation(archive.create_generation())
        time.sleep(FOLLOW_SECONDS + 0.1)
        assert client.post("/search", SEARCH)["generation"] == "g2"
        following = {**SEARCH, "token": first["next"]}
        second = client.post("/search", following)
        assert second["generation"] == "g1"
        assert first["hits"] + second["hits"] == whole["hits"]
        with serving(home, model) as another:  # which never had the old one open
            assert another.post("/search", following)["hits"] == second["hits"]
            archive.drop_generation("g1")
            for each in (client, another):
                said = each.refused(410, "POST", "/search", json=following)
                assert "g1 was dropped" in said
                assert each.post("/search", SEARCH)["generation"] == "g2"


def test_files_deleted_under_the_service_are_named_until_they_are_back(
    home: Path, model: Path, tmp_path: Path
) -> None:
    with serving(home, model) as client:
        assert client.post("/search", SEARCH)["hits"]
        shutil.move(home / "batches", tmp_path / "away")
        response = client("POST", "/search", json=SEARCH)
        assert response.status_code in (200, 503)  # what is open may go on
        with serving(home, model) as another:
            response = another("POST", "/search", json=SEARCH)
            assert response.status_code == 503
            assert response.headers["retry-after"]
            shutil.move(tmp_path / "away", home / "batches")
            assert another.post("/search", SEARCH)["hits"]
        assert client.post("/search", SEARCH)["hits"]


class Wall:
    """Between the service and its engine."""

    def __init__(self) -> None:
        self.is_away = False
        self.seconds = 0.0
        """That it takes to let a request pass."""
        self.refused: list[str] = []
        self.asked: list[str] = []
        """The last part of every path, but for the ledger's."""
        self.ledger: list[str] = []
        """The same of the ledger's."""

    def __call__(self, request: Request) -> Answer | None:
        """What a role that may only read is told, and everybody when it is away."""
        if self.is_away:
            return 503, "no node is here"
        time.sleep(self.seconds)
        path = request.path.partition("?")[0]
        asked = self.ledger if "-ledger/" in path else self.asked
        asked.append(path.rpartition("/")[2])
        reads = request.method in ("GET", "HEAD") or path.rpartition("/")[2] in READS
        if reads:
            return None
        self.refused.append(f"{request.method} {request.path}")
        return 403, {"error": {"type": "security_exception", "reason": "no permissions"}}


@pytest.fixture
def on_opensearch(
    opensearch: str, fitted_home: Path, model: Path, images: Path, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """The settings of a service on an archive that OpenSearch serves, but for the address."""
    prefix = f"served-{secrets.token_hex(4)}"
    shutil.copytree(fitted_home, tmp_path / "home")
    options: dict[str, Any] = {"opensearch_prefix": prefix}
    with Archive(
        tmp_path / "home", model=str(model), threads=1, opensearch_url=opensearch, **options
    ) as archive:
        archive.index(images)
    engine = OpenSearch(opensearch)
    engine.indices.refresh(index=f"{prefix}-*")  # as they are by themselves some seconds later
    yield {"home": tmp_path / "home", "model": model, **options}
    for index in engine.indices.get(index=f"{prefix}-*"):
        engine.indices.delete(index=index)
    engine.close()


@pytest.fixture
def walled(opensearch: str, on_opensearch: dict[str, Any]) -> Iterator[tuple[Client, Wall]]:
    """A service on OpenSearch that may only read, and what stands between them."""
    wall = Wall()
    with (
        proxy(opensearch, wall) as url,
        serving(**on_opensearch, opensearch_url=url, opensearch_search_timeout=1.0) as client,
    ):
        yield client, wall


def test_the_service_never_writes_and_outlives_an_engine_that_is_away(
    walled: tuple[Client, Wall],
) -> None:
    client, wall = walled
    for _ in range(3):
        first = client.post("/search", {**SEARCH, "strategy": "guided", "explain": True})
        assert client.post("/search", {**SEARCH, "strategy": "guided", "token": first["next"]})
    hit = first["hits"][0]
    client.post("/search", {"like": [hit["id"]], "collections": ["default"], "max_cloud": 50})
    client.post("/search", {**SEARCH, "kind": "caption", "group_by": "scene"})
    assert client.get(f"/entries/{hit['id']}")["scene"] == hit["scene"]
    assert client.get(f"/scenes/default/{hit['scene']}")["status"] == "indexed"
    assert client("GET", hit["thumbnail"]).status_code == 200
    assert all(request.endswith("-ledger/_refresh") for request in wall.refused)
    wall.is_away = True
    for path in ("/search", "/search/batch"):
        body = {"searches": [SEARCH]} if path == "/search/batch" else SEARCH
        response = client("POST", path, json=body)
        if path == "/search":
            assert response.status_code == 503
            assert response.headers["retry-after"]
            assert "OpenSearch" in response.json()["detail"]
        else:
            (answer,) = response.json()["answers"]
            assert answer["problem"]["status"] == 503
    wall.is_away = False
    again = client.post("/search", {**SEARCH, "strategy": "guided"})
    assert [each["id"] for each in again["hits"]] == [each["id"] for each in first["hits"]]


def test_a_search_asks_the_engine_no_more_than_it_must(walled: tuple[Client, Wall]) -> None:
    client, wall = walled
    hits = client.post("/search", {**SEARCH, "group_by": "scene"})["hits"]
    assert all(hit["caption"] for hit in hits)

    def asked(**search: Any) -> list[str]:
        wall.asked.clear()
        assert client.post("/search", search)["hits"]
        return wall.asked

    hits_and_captions = ["_search", "_mget"]
    assert asked(**SEARCH) == hits_and_captions
    assert asked(**SEARCH, kind="caption") == ["_search"]
    assert asked(**SEARCH, strategy="guided", explain=True) == ["_search", *hits_and_captions]
    examples = [hit["id"] for hit in hits]
    found = asked(like=examples[:3], unlike=examples[3:])
    assert found == ["_mget", *hits_and_captions]
    assert asked(like=examples[:1]) == found


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        """Its seconds."""
        return self.now


def test_one_of_many_searches_reads_what_all_follow(
    walled: tuple[Client, Wall], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, wall = walled
    search = {**SEARCH, "collections": ["default"]}
    clock = Clock()
    monkeypatch.setattr(shared, "time", clock)
    client.post("/search", search)
    wall.ledger.clear()
    clock.now += 60
    client.post("/search", SEARCH)
    assert wall.ledger == ["_mget"]  # live generation, head and calibration at once
    wall.ledger.clear()
    clock.now += 60
    wall.seconds = 0.1  # so that the others come while the first asks
    answers = client.at_once(*[("POST", "/search", {"json": search})] * 6)
    assert {answer.status_code for answer in answers} == {200}
    asked = Counter(wall.ledger)
    assert asked["_mget"] == asked["_search"] == 1  # the names of collections, too
    assert max(asked.values()) == 1


def test_captions_that_cannot_be_read_are_left_out_of_a_partial_answer(
    opensearch: str, on_opensearch: dict[str, Any]
) -> None:
    with serving(**on_opensearch, opensearch_url=opensearch) as client:
        whole = client.post("/search", SEARCH)
        engine = OpenSearch(opensearch)
        (index,) = engine.indices.get(index=f"{on_opensearch['opensearch_prefix']}-g1-caption*")
        engine.indices.delete(index=index)
        engine.close()
        assert "-caption" in client.refused(503, "POST", "/search", json=SEARCH)
        partial = client.post("/search", {**SEARCH, "partial": True})
        assert [hit["id"] for hit in partial["hits"]] == [hit["id"] for hit in whole["hits"]]
        assert {hit["caption"] for hit in partial["hits"]} == {None}
        assert [missing.partition(" of ")[0] for missing in partial["missing"]] == ["a shard"]


def test_an_engine_that_takes_too_long_is_said_to_and_used_again(
    walled: tuple[Client, Wall],
) -> None:
    client, wall = walled
    before = client.post("/search", SEARCH)
    wall.seconds = 2.0
    started = time.monotonic()
    said = client.refused(503, "POST", "/search", json={**SEARCH, "strategy": "guided"})
    assert "OpenSearch" in said
    assert time.monotonic() - started < 10
    wall.seconds = 0.0
    assert client.post("/search", SEARCH)["hits"] == before["hits"]


def test_what_a_batch_answered_in_time_arrives(
    opensearch: str, on_opensearch: dict[str, Any]
) -> None:
    wall = Wall()
    with (
        proxy(opensearch, wall) as url,
        serving(**on_opensearch, opensearch_url=url, serve_timeout=5.0) as client,
    ):
        client.post("/search", SEARCH)
        wall.seconds = 0.5
        answers = client.post("/search/batch", {"searches": [SEARCH] * 32})["answers"]
    assert len(answers) == 32
    assert answers[0]["answer"]["hits"]
    assert [answer["problem"]["status"] for answer in answers[-20:]] == [504] * 20


def test_where_half_of_the_hosts_are_silent_the_others_answer(
    opensearch: str, on_opensearch: dict[str, Any]
) -> None:
    silent = Wall()
    with proxy(opensearch, silent) as url:
        hosts = [url, opensearch]
        with serving(
            **on_opensearch, opensearch_url=hosts, opensearch_search_timeout=1.0
        ) as client:
            before = client.post("/search", SEARCH)
            silent.seconds = 5.0
            for _ in range(6):
                assert client.post("/search", SEARCH)["hits"] == before["hits"]


def test_beyond_what_may_wait_clients_are_told_to_come_again(home: Path, model: Path) -> None:
    with serving(home, model, serve_threads=1, serve_waiting=2) as client:
        client.post("/search", SEARCH)
        answers = client.at_once(*[("POST", "/search", {"json": SEARCH})] * 30)
        assert {answer.status_code for answer in answers} == {200, 429}
        refused = [answer for answer in answers if answer.status_code == 429]
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert client.post("/search", SEARCH)["hits"]


def test_a_request_that_takes_too_long_is_given_up(home: Path, model: Path) -> None:
    with serving(home, model, serve_timeout=0.0001) as client:
        said = client.refused(504, "POST", "/search", json=SEARCH)
        assert said.startswith("no answer within")


def test_the_end_does_not_wait_for_work_that_nobody_waits_for(
    home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CLOSE_SECONDS", 0.1)
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait(20)
        ended.set()

    async def ask_and_leave() -> None:
        asked = asyncio.create_task(app.state.service.work.run(work))
        assert await asyncio.to_thread(begun.wait, 20)
        asked.cancel()
        await asyncio.wait([asked])

    app = create_app(settings_of(home, model), is_local=True)
    with running(app) as client:
        client.run(ask_and_leave())
    assert not ended.is_set()
    may_end.set()
    assert ended.wait(20)
