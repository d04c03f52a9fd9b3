"""The whole service against who should not, or not so, use it."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from query_service import key_ring
from query_service.host_check import LOOPBACK
from scenesift.archive import Archive
from scenesift.errors import ServeError
from scenesift.keys import Keys
from scenesift.serve import exposed
from scenesift.settings import Settings
from tests.cli.command_line import CommandLine, python
from tests.query_service.conftest import Client, serving

MAIN = "from scenesift.cli import main; main()"
SEARCH: dict[str, Any] = {"json": {"text": "a red field"}}


@pytest.fixture
def indexed(tmp_path: Path, indexed_home: Path) -> CommandLine:
    """The command line in a copy of the indexed home."""
    shutil.copytree(indexed_home, tmp_path / "home")
    return CommandLine(tmp_path / "home")


def test_every_path_but_the_probes_asks_for_a_key(
    indexed: CommandLine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_ring, "_EVERY_SECONDS", 0.05)
    token = indexed.json("key", "create", "ci")["key"]
    with serving(indexed.home, model, serve_keys="auto") as client:
        open_paths = {
            path
            for path in client.app.openapi()["paths"]
            if client("GET", path.replace("{", "").replace("}", "")).status_code != 401
        }
        assert open_paths <= {"/healthz", "/readyz"}
        assert "/healthz" in open_paths
        for path in ("/", "/nowhere", "/openapi.json", "/HEALTHZ", "/healthz%2f..%2fsearch"):
            assert client("GET", path).status_code == 401
        key = {"Authorization": f"Bearer {token}"}
        document = client("GET", "/openapi.json", headers=key).json()
        assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        assert document["paths"]["/search"]["post"]["security"] == [{"key": []}]
        assert client("POST", "/search", headers=key, **SEARCH).status_code == 200
        with Archive(indexed.home) as archive:
            Keys(archive.home).revoke("ci")
        deadline = time.monotonic() + 30
        while client("POST", "/search", headers=key, **SEARCH).status_code == 200:
            assert time.monotonic() < deadline
        assert "was revoked" in client.refused(401, "POST", "/search", headers=key)


def test_a_problem_of_any_sort_carries_the_id_and_the_headers(client: Client) -> None:
    for method, path, body in (
        ("POST", "/search", {"nonsense": 1}),
        ("POST", "/search", {"text": " "}),
        ("GET", "/nowhere", None),
        ("DELETE", "/search", None),
        ("GET", "/%00", None),
        ("GET", "/../../etc/passwd", None),
        ("GET", "/stac/..%2f..%2fetc%2fpasswd", None),
    ):
        answer = client(method, path, json=body, headers={"X-Request-ID": "from-a-test"})
        assert 400 <= answer.status_code < 500
        assert answer.json()["request_id"] == answer.headers["x-request-id"] == "from-a-test"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_large_request_is_refused_before_anything_is_made_of_it(
    indexed_home: Path, model: Path
) -> None:
    with serving(indexed_home, model, serve_body_bytes=2_000) as client:
        assert client("POST", "/search", **SEARCH).status_code == 200
        large = {"text": "field " * 1_000}
        assert "2,000 bytes" in client.refused(413, "POST", "/search", json=large)


@pytest.mark.parametrize("path", ["/search", "/stac/search", "/nowhere"])
def test_pages_of_named_origins_may_ask_and_others_not(
    indexed: CommandLine, model: Path, path: str
) -> None:
    ours = "https://map.example"
    indexed("key", "create", "ci")
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    with serving(indexed.home, model, serve_origins=(ours,), serve_keys="required") as client:
        preflight = client("OPTIONS", path, headers={"Origin": ours, **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ours
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        assert "access-control-allow-credentials" not in preflight.headers
        refused = client("POST", path, headers={"Origin": ours})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == ours  # so that a page can read why
        other = client("OPTIONS", path, headers={"Origin": "https://evil.example", **asked})
        assert other.status_code == 400
        assert "access-control-allow-origin" not in other.headers


def test_without_origins_no_page_of_another_may_read(client: Client) -> None:
    answer = client("POST", "/search", headers={"Origin": "https://map.example"}, **SEARCH)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_other_machines_are_served_only_with_keys_or_when_told_so(indexed: CommandLine) -> None:
    for host in ("0.0.0.0", "::"):
        said = indexed.refused("serve", "--host", host, "--port", 0)
        assert "scenesift key create" in said
        assert "--keys off" in said
    assert "there is none" in indexed.refused("serve", "--port", 0, "--keys", "required")


def test_what_is_asked_depends_on_who_can_connect(indexed: CommandLine) -> None:
    def told(host: str, **changes: Any) -> tuple[str, Any]:
        with socket.create_server((host, 0)) as listener:
            settings = exposed(Settings(home=indexed.home, **changes), listener)
        return settings.serve_keys, settings.serve_hosts

    assert told("127.0.0.1") == ("off", LOOPBACK)
    assert told("127.0.0.1", serve_hosts=("search.example",)) == ("off", ("search.example",))
    assert told("0.0.0.0", serve_keys="off") == ("off", None)
    with pytest.raises(ServeError, match="scenesift key create"):
        told("0.0.0.0")
    indexed("key", "create", "ci")
    assert told("0.0.0.0") == ("required", None)
    assert told("127.0.0.1", serve_keys="required") == ("required", LOOPBACK)


def test_a_page_that_points_its_own_name_here_is_refused(indexed_home: Path, model: Path) -> None:
    with serving(indexed_home, model, serve_hosts=LOOPBACK) as client:
        rebound = {"Host": "evil.example:8000"}
        assert "SCENESIFT_SERVE_HOSTS" in client.refused(421, "GET", "/healthz", headers=rebound)
        assert client("GET", "/healthz", headers={"Host": "localhost:8000"}).status_code == 200


def test_no_secret_is_in_an_answer_or_a_line_of_the_log(
    indexed: CommandLine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With engine and Redis away, so that both are complained of; callers send secrets too."""
    token = indexed.json("key", "create", "ci")["key"]
    secrets = {
        "SCENESIFT_OPENSEARCH_URL": "http://127.0.0.1:9",
        "SCENESIFT_OPENSEARCH_USER": "admin",
        "SCENESIFT_OPENSEARCH_PASSWORD": "hush-opensearch",
        "SCENESIFT_REDIS_URL": "redis://:hush-redis@127.0.0.1:9/0",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    options = ["--port", 0, "--keys", "required", "--log-format", "json", "--model", model]
    with python(MAIN, "serve", "--home", indexed.home, *options) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        address = said.split()[-1]
        answers = []
        for path in ("/readyz", "/metrics", "/search", f"/search?text={token}", f"/{token}"):
            for key in (token, "scenesift_" + "x" * 43):
                header = {"Authorization": f"Bearer {key}"}
                body: dict[str, Any] = {"json": {"text": "a field"}} if path == "/search" else {}
                method = "POST" if body else "GET"
                answer = httpx.request(method, address + path, headers=header, timeout=60, **body)
                answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
        process.terminate()
        output, errors = process.communicate(timeout=60)
    shown = "".join([said, output, errors, *answers])
    assert "cannot be reached" in errors  # the provocation worked
    assert any("scenesift_requests_total" in answer for answer in answers)
    assert "hush" not in shown
    assert "x" * 43 not in shown
    assert token not in said + output + errors


@pytest.mark.parametrize("workers", [1, 2])
def test_a_home_that_is_none_is_said_in_one_line(tmp_path: Path, workers: int) -> None:
    (tmp_path / "file").touch()
    said = CommandLine(tmp_path / "file").refused("serve", "--port", 0, "--workers", workers)
    assert "is a file, not a home" in said


def test_a_bound_below_that_of_one_request_is_said_at_the_start(
    indexed: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESIFT_SERVE_HELD_BYTES", "1000000")
    said = indexed.refused("serve", "--port", 0)
    assert "SCENESIFT_SERVE_HELD_BYTES is 1000000" in said
    assert "SCENESIFT_SERVE_BODY_BYTES, 33554432" in said
