"""What an operator sees of the service: metrics, health and readiness, log lines."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from indexer.calibration.replayed import Measurements, Remeasured
from query_service import facts
from scenesift.archive import Archive
from scenesift.serve import create_app
from tests.cli.command_line import python
from tests.query_service.conftest import Client, running, serving, settings_of

ROOT = Path(__file__).parents[2]
MAIN = "from scenesift.cli import main; main()"


def samples(page: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples of a page of metrics by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(page: str, name: str, **labels: str) -> float:
    """The value of one sample."""
    return samples(page)[name, tuple(sorted(labels.items()))]


@pytest.fixture
def home(tmp_path: Path, indexed_home: Path) -> Path:
    """A copy of the indexed home."""
    return Path(shutil.copytree(indexed_home, tmp_path / "home"))


@pytest.fixture
def watched(home: Path, model: Path) -> Iterator[Client]:
    """A client of a service that nobody else asks."""
    with serving(home, model) as client:
        yield client


def page_of(client: Client) -> str:
    answer = client("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text


def test_a_search_shows_in_the_metrics_and_in_its_log_line(
    watched: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scenesift.request")
    for text in ("a red field", "a red field", "a blue field"):
        watched.post("/search", {"text": text, "k": 5})
    page = page_of(watched)
    route = {"route": "/search", "method": "POST", "status": "200"}
    assert value(page, "scenesift_requests_total", **route) == 3
    assert value(page, "scenesift_search_seconds_count", strategy="exhaustive") == 3
    assert value(page, "scenesift_search_step_seconds_count", step="scan") == 3
    assert value(page, "scenesift_vectors_scored_sum", strategy="exhaustive") == 3 * 24
    assert value(page, "scenesift_hits_total", kind="chip") == 15
    assert value(page, "scenesift_query_cache_reads_total", what="text", result="hit") == 1
    assert value(page, "scenesift_query_cache_reads_total", what="text", result="miss") == 2
    assert value(page, "scenesift_encoder_batch_size_sum", what="text") == 2
    assert value(page, "scenesift_encoder_queue") == 0
    assert value(page, "scenesift_requests_waiting") == 0
    assert value(page, "scenesift_requests_in_progress") == 1  # this scrape
    line: Any = caplog.records[-1]
    assert (line.route, line.strategy, line.scanned) == ("/search", "exhaustive", 24)
    assert "red" not in caplog.text  # what people look for is their own affair


def test_the_archive_shows_in_the_metrics(watched: Client) -> None:
    page = page_of(watched)
    assert value(page, "scenesift_entries", kind="chip") == 24
    assert value(page, "scenesift_scenes", outcome="indexed") == 24
    assert value(page, "scenesift_scenes", outcome="failed") == 0
    assert value(page, "scenesift_calibrated") == 0
    assert value(page, "scenesift_run_batches", state="claimed") == 0
    assert value(page, "scenesift_facts_known", part="archive") == 1
    (info,) = [labels for name, labels in samples(page) if name == "scenesift_generation_info"]
    assert dict(info)["engine"] == "embedded"


def test_measured_recall_of_replayed_live_searches_shows(home: Path, model: Path) -> None:
    with Archive(home, model=str(model), threads=1) as archive:
        generation = archive.generation
        kept = Measurements(generation.log.ledger, generation.log.generation)
        found = Remeasured("text-chip", 10, 0.99, 200, 0.971, 0.962, 0.98)
        kept.keep([found], "2026-11-24T12:00:00+00:00")
    with serving(home, model) as client:
        page = page_of(client)
    asked = {"direction": "text-chip", "k": "10", "target": "0.99"}
    assert value(page, "scenesift_measured_recall", **asked) == 0.971
    assert value(page, "scenesift_measured_recall_high", **asked) == 0.98
    assert value(page, "scenesift_measured_recall_target", **asked) == 0.99
    assert value(page, "scenesift_measured_timestamp_seconds") == 1795521600


def test_labels_are_bounded_whatever_callers_send(watched: Client) -> None:
    def size() -> int:
        return len(samples(page_of(watched)))

    before = 0
    for number in range(30):
        before = size() if number < 3 else before
        watched("GET", f"/no/such/{number}")
        watched("GET", "/search", params={"text": f"t{number}", "nonsense": number})
        watched(f"BREW{number}", "/search")
        watched("GET", "/healthz", headers={"Host": f"h{number}", "X-Request-ID": f"id-{number}-x"})
    assert size() == before


def test_a_scrape_ends_though_the_archive_hangs(
    watched: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert value(page_of(watched), "scenesift_entries", kind="chip") == 24
    monkeypatch.setattr(facts, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(facts, "KEPT_SECONDS", 0.0)
    archive = watched.app.state.service.archive
    hanging = threading.Event()
    monkeypatch.setattr(archive, "facts", lambda: [*filter(None, [hanging.wait(30)])])
    page = page_of(watched)
    assert value(page, "scenesift_entries", kind="chip") == 24  # as last known
    assert value(page, "scenesift_facts_age_seconds") > 0
    hanging.set()


def test_a_service_that_can_search_is_ready(watched: Client) -> None:
    deadline = time.monotonic() + 60
    while (answer := watched("GET", "/readyz")).status_code != 200:
        assert time.monotonic() < deadline, answer.text  # until the model is loaded
    assert answer.json() == {
        "ready": True,
        "checks": {"engine": "ok", "generation": "ok", "model": "ok"},
    }


def test_a_service_that_cannot_says_why_to_whom_it_may(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path / "nothing", model) as client:
        deadline = time.monotonic() + 60
        while "no search can be answered yet: no archive in" not in caplog.text:
            assert time.monotonic() < deadline  # said at the start, before anybody asks
            time.sleep(0.01)
        assert client("GET", "/healthz").json() == {"status": "alive"}
        answer = client("GET", "/readyz")
        assert answer.status_code == 503
        assert answer.json()["ready"] is False
        assert (
            "mount or give the --home that has one, or run `scenesift index"
            in (answer.json()["checks"]["generation"])
        )
        said = client.refused(503, "POST", "/search", json={"text": "a field"})
        assert str(tmp_path) in said
        assert str(tmp_path) in client("GET", "/", params={"text": "a field"}).text
    with running(create_app(settings_of(tmp_path / "nothing", model))) as client:
        answer = client("GET", "/readyz")
        assert answer.status_code == 503
        assert str(tmp_path) not in answer.text
        said = client.refused(503, "POST", "/search", json={"text": "a field"})
        assert said.startswith("the archive cannot answer now")
        for asked in ({}, {"text": "a field"}):
            page = client("GET", "/", params=asked)
            assert page.status_code == 503
            assert "the archive cannot answer now" in page.text
            assert str(tmp_path) not in page.text


@pytest.mark.parametrize(("form", "workers"), [("json", 2), ("text", 1)])
def test_workers_count_together_and_log_in_one_format(
    home: Path, model: Path, form: str, workers: int
) -> None:
    options = ["--port", 0, "--workers", workers, "--log-format", form, "--model", model]
    with python(MAIN, "serve", "--home", home, *options) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        body = json.dumps({"text": "a red field"}).encode()
        asked = urllib.request.Request(
            f"{address}/search", body, {"Content-Type": "application/json", "Connection": "close"}
        )
        for _ in range(8):
            urllib.request.urlopen(asked, timeout=60).close()
        page = urllib.request.urlopen(f"{address}/metrics", timeout=60).read().decode()
        process.terminate()
        _, errors = process.communicate(timeout=60)
    route = {"route": "/search", "method": "POST", "status": "200"}
    assert value(page, "scenesift_requests_total", **route) == 8
    assert value(page, "scenesift_entries", kind="chip") == 24
    lines = [line for line in errors.splitlines() if "transformers" not in line]
    assert sum("POST /search 200" in line for line in lines) == 8
    if form == "json":
        assert all(json.loads(line)["level"] for line in lines)
    else:
        assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [A-Z]+ ", line) for line in lines)


def test_what_a_process_had_in_hand_ends_with_it_and_what_it_did_counts_on(tmp_path: Path) -> None:
    begins = "from query_service.metrics import Metrics; import os; m = Metrics(); m.began(); "
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def run(code: str) -> str:
        command = [sys.executable, "-c", begins + code]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        return done.stdout

    run("m.ended('/search', 'POST', 200, 0.1); m.began(); os._exit(9)")
    page = run("print(m.page().decode())")
    assert value(page, "scenesift_requests_in_progress") == 1  # of the second process alone
    route = {"route": "/search", "method": "POST", "status": "200"}
    assert value(page, "scenesift_requests_total", **route) == 1
