"""Indexing with workers from the command line, on a real OpenSearch node and a real Redis."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from deploy.local.redis_server import LocalRedis
from indexer.runs import Runs
from scenesift import distributed
from scenesift.archive import Archive
from scenesift.settings import Settings
from sgpd.errors import SceneSiftError
from tests.cli.command_line import COLOURS, CommandLine, python, write_image
from tests.s3_server import S3Server
from workers.errors import WorkerError

MAIN = "from scenesift.cli import main; main()"
StartWorker = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def site(
    opensearch: str, fitted: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    """The command line in a fitted home, with OpenSearch and Redis in the environment."""
    prefix = f"cli-{secrets.token_hex(4)}"
    with LocalRedis(tmp_path / "redis") as redis:
        monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", opensearch)
        monkeypatch.setenv("SCENESIFT_OPENSEARCH_PREFIX", prefix)
        monkeypatch.setenv("SCENESIFT_REDIS_URL", redis.url)
        monkeypatch.setenv("SCENESIFT_STALL_SECONDS", "5")
        yield fitted
    client = OpenSearch(opensearch)
    for index in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=index)


@pytest.fixture
def worker(site: CommandLine) -> Iterator[StartWorker]:
    """Starts workers on the home; those that still run when the test ends are killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object) -> subprocess.Popen[str]:
        started.append(python(MAIN, "worker", "--home", site.home, *arguments))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate(timeout=30)


def test_a_worker_whose_archive_does_not_open_ends_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    monkeypatch.setattr(distributed, "_OPENING", 0.2)
    with monkeypatch.context() as patched:
        patched.setattr(Archive, "of", lambda settings: time.sleep(60))
        with pytest.raises(WorkerError, match=r"was not opened within 0\.2 s; see whether"):
            distributed._check_live(settings)
    monkeypatch.setattr(distributed, "_OPENING", 60.0)
    with monkeypatch.context() as patched:
        patched.setattr(Archive, "of", lambda settings: os.kill(os.getpid(), signal.SIGKILL))
        with pytest.raises(WorkerError, match="the archive cannot be opened"):
            distributed._check_live(settings)


def test_workers_index_what_one_process_indexes_and_what_failed_is_tried_again(
    site: CommandLine, worker: StartWorker, images: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(images, tmp_path / "mine")
    (source / "bad.png").write_text("hello")
    process = worker()
    done = site.json("index", source, "--distributed", code=3)
    assert (done["indexed"], done["failed"], done["chips"], done["captions"]) == (24, 1, 24, 48)
    assert site.json("audit", "--source", source)["clean"]
    assert site.json("index", source, "--distributed")["unchanged"] == 24
    (scene,) = site.json("failed", "list")["failed"]
    assert scene["scene"] == "bad.png"
    assert scene["reason"].startswith("not an image of a known format; JPEG, PNG")
    shutil.copy(source / "red" / "red0.png", source / "bad.png")
    site("failed", "retry", "bad.png", "--distributed")
    assert site.json("failed", "list")["failed"] == []
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 143), errors
    assert "Traceback" not in errors


def test_a_worker_calibrates_and_audits_and_the_report_is_here(
    site: CommandLine, worker: StartWorker, images: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(images, tmp_path / "mine")
    site("index", source)
    worker("--queues", "maintenance")
    made = site("calibrate", "--target", 0.9, "--distributed")
    assert "recall of the first k" in made.stdout
    assert "image_to_image: 24 queries, 24 entries" in made.stderr
    assert site.json("info")["calibration"]["growth"] == {"chip": 1.0, "caption": 1.0}
    again = site.json("calibrate", "--target", 0.8, "--distributed")
    assert {promise["case"]["target"] for promise in again["promises"]} == {0.8}
    assert site.json("audit", "--distributed", "--source", source)["clean"]
    (source / "red" / "red0.png").unlink()
    report = site.json("audit", "--distributed", "--source", source, code=1)
    assert report["findings"][0]["fault"] == "scenes gone from the source"
    assert "clean" in site("audit", "--distributed", "--repair").stdout
    assert "above 0 and below 1" in site("calibrate", "--target", 2, "--distributed", code=1).stderr


def test_a_switch_while_workers_index_loses_nothing(
    site: CommandLine, worker: StartWorker, images: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(images, tmp_path / "mine")
    site("index", source)
    site("fit", images, "--prototypes", 6, "--cells", 2)
    site("generation", "create")
    for number in range(600):
        write_image(source / "more" / f"{number:03d}.png", COLOURS["blue"], seed=number)
    worker()
    with python(MAIN, "index", source, "--distributed", "--json", "--home", site.home) as planner:
        wait_for(lambda: any_claimed(site), planner)
        site("generation", "switch", "g2")
        out, errors = planner.communicate(timeout=240)
    assert planner.returncode == 0, errors
    assert json.loads(out)["failed"] == 0
    facts = site.json("info")
    assert (facts["generation"], facts["entries"]["chip"]) == ("g2", 624)
    assert site.json("index", source, "--distributed")["unchanged"] == 624
    assert site.json("audit", "--source", source)["clean"]


def any_claimed(site: CommandLine) -> bool:
    """Whether a worker has, or has done, a batch of the open run."""
    with Archive(site.home) as archive:
        runs = Runs(archive.engine.ledger)
        found = [kept for id in runs.open().values() for kept in runs.batches(id, ["0"]).values()]
        return any(kept.value.attempt for kept in found)


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_with_an_empty_home_works_on_a_bucket(
    site: CommandLine,
    s3: S3Server,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCENESIFT_STORE", f"s3://{s3.bucket()}/archive")
    monkeypatch.setenv("SCENESIFT_STORE_ENDPOINT", s3.url)
    monkeypatch.setenv("SCENESIFT_STORE_REGION", "us-east-1")
    site("fit", images, "--prototypes", 12, "--cells", 4)
    source = shutil.copytree(images, tmp_path / "mine")
    shutil.move(source / "red", tmp_path / "red")
    site("index", source)  # so that there is a generation for the worker to open
    shutil.move(tmp_path / "red", source / "red")
    elsewhere = CommandLine(tmp_path / "another machine")
    with python(MAIN, "worker", "--home", elsewhere.home) as worker:
        done = site.json("index", source, "--distributed")
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=60)
    assert (done["indexed"], done["unchanged"], done["failed"]) == (8, 16, 0), errors
    assert elsewhere.json("audit", "--source", source)["clean"]
    assert len(elsewhere.json("search", "a red field", "-k", 7)["hits"]) == 7


def test_a_run_that_was_left_keeps_other_writers_out_until_it_is_cancelled(
    site: CommandLine, images: Path
) -> None:
    with python(MAIN, "index", images, "--distributed", "--home", site.home) as planner:
        wait_for(lambda: is_open(site), planner)
        planner.send_signal(signal.SIGINT)
        _, errors = planner.communicate(timeout=60)
    assert planner.returncode == 130, errors
    assert "run the same command again to go on" in errors
    for words in (("index", images), ("rebuild",), ("audit", "--repair")):
        refused = site.refused(*words)
        assert "cannot be done while run" in refused
        assert "--cancel" in refused
    cancelled = site.json("index", images, "--distributed", "--cancel")
    assert (cancelled["scenes"], cancelled["done"]) == (24, 0)
    assert site.json("index", images)["indexed"] == 24
    assert site.json("audit")["clean"]
    assert "no open run" in site.refused("index", images, "--distributed", "--cancel")


def is_open(site: CommandLine) -> bool:
    """Whether the archive has an open run, all of it planned."""
    with suppress(SceneSiftError), Archive(site.home) as archive:  # it is being made
        record = archive.engine.ledger.read("runs") if archive.begun else None
        if record is None or not record.value["open"]:
            return False
        (id,) = record.value["open"].values()
        run = archive.engine.ledger.read(f"run-{id}")
        return run is not None and bool(run.value["planned"])
    return False


def test_what_workers_need_is_said(
    fitted: CommandLine, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (["index", images], ["calibrate"], ["audit"]):
        refused = fitted.refused(*command, "--distributed", code=2)
        assert "workers need OpenSearch; set SCENESIFT_OPENSEARCH_URL" in refused
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", "http://127.0.0.1:9")
    refused = fitted.refused("index", images, "--distributed", code=2)
    assert "through Redis; set SCENESIFT_REDIS_URL" in refused
    monkeypatch.setenv("SCENESIFT_REDIS_URL", "redis://127.0.0.1:9")
    for words in (("index", images, "--distributed"), ("worker",)):
        assert "Redis at redis://127.0.0.1:9 cannot be reached" in fitted.refused(*words)
    assert "give encode or maintenance" in fitted.refused("worker", "--queues", "all", code=2)
    monkeypatch.setenv("SCENESIFT_REDIS_URL", "http://:secret@localhost")
    refused = fitted.refused("worker", code=2)
    assert "SCENESIFT_REDIS_URL" in refused
    assert "secret" not in refused


def test_failed_scenes_are_listed_shown_and_tried_again_without_workers_too(
    fitted: CommandLine, images: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(images, tmp_path / "mine")
    (source / "bad.png").write_text("hello")
    (source / "worse.png").write_bytes(b"")
    fitted("index", source, code=3)
    listed = fitted.json("failed", "list")["failed"]
    assert [scene["scene"] for scene in listed] == ["bad.png", "worse.png"]
    assert "bad.png: not an image of a known format" in fitted("failed", "list").stdout
    assert fitted.json("failed", "list", "--dead")["failed"] == []
    shown = fitted.json("failed", "show", "bad.png")
    assert shown["file"] == str(source / "bad.png")
    assert shown["reason"].startswith("not an image of a known format; JPEG, PNG")
    assert "is not among the scenes that failed" in fitted.refused("failed", "show", "red/red0.png")
    assert fitted.json("failed", "retry", code=3)["runs"][0]["failed"] == 2
    shutil.copy(source / "red" / "red0.png", source / "bad.png")
    again = fitted.json("failed", "retry", "bad.png")["runs"]
    assert [(run["updated"], run["failed"]) for run in again] == [(1, 0)]
    assert [s["scene"] for s in fitted.json("failed", "list")["failed"]] == ["worse.png"]
    assert "is not among the scenes that failed" in fitted.refused("failed", "retry", "bad.png")


def test_too_many_failures_stop_a_run(fitted: CommandLine, images: Path, tmp_path: Path) -> None:
    source = shutil.copytree(images, tmp_path / "mine")
    for number in range(120):
        (source / f"bad{number}.png").write_text("hello")
    refused = fitted("index", source, "--max-failures", "0.1", code=1).stderr.splitlines()[-1]
    assert "more than --max-failures 0.1 allows (the first: bad0.png: not an image" in refused
