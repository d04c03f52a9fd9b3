"""Several machines, each with a home of its own, that share a store and an engine."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from scenesift.archive import Archive
from scenestore.object_connection import Bounds
from tests.cli.command_line import ROOT, CommandLine, python
from tests.s3_server import S3Server

SEARCH = ("search", "a red field", "-k", 7)


@dataclass(frozen=True)
class Shared:
    """What an operator exports on each machine."""

    prefix: str
    store: str
    folder: Path
    """Of a store that is one."""


@pytest.fixture(params=["folder", "bucket"])
def shared(
    tmp_path: Path, opensearch: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shared]:
    """An OpenSearch node and a store, in a folder and in a bucket."""
    prefix = f"store-{secrets.token_hex(4)}"
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", opensearch)
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_PREFIX", prefix)
    store = str(tmp_path / "store")
    if request.param == "bucket":
        s3: S3Server = request.getfixturevalue("s3")
        store = f"s3://{s3.bucket()}/archive"
        monkeypatch.setenv("SCENESIFT_STORE_ENDPOINT", s3.url)
        monkeypatch.setenv("SCENESIFT_STORE_REGION", "us-east-1")
    monkeypatch.setenv("SCENESIFT_STORE", store)
    yield Shared(prefix, store, tmp_path / "store")
    client = OpenSearch(opensearch)
    for index in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=index)


def test_a_machine_with_an_empty_home_searches_and_indexes_at_once(
    tmp_path: Path, images: Path, shared: Shared
) -> None:
    first, second = CommandLine(tmp_path / "first"), CommandLine(tmp_path / "second")
    assert shared.store in second.refused(*SEARCH)
    first("fit", images, "--prototypes", 12, "--cells", 4)
    first("index", images)
    first("calibrate")
    assert not (first.home / "batches").exists()
    assert not (first.home / "bundles").exists()
    found = first.json(*SEARCH)
    assert second.json(*SEARCH)["hits"] == found["hits"]
    assert second.json("index", images)["unchanged"] == 24
    second("delete", "red/red3.png")
    assert "red/red3.png" not in str(first.json(*SEARCH)["hits"])
    assert first.json("audit")["clean"]
    explained = second.json(*SEARCH, "--explain")
    assert (sum(explained["reads"].values()) > 0) == shared.store.startswith("s3:")
    info = second.json("info")
    assert ("cache" in info) == shared.store.startswith("s3:")
    assert info["store"] == shared.store
    assert info["calibration"] == first.json("info")["calibration"]


def test_a_lost_index_is_made_again_from_the_store(
    tmp_path: Path, images: Path, shared: Shared, opensearch: str
) -> None:
    first, second = CommandLine(tmp_path / "first"), CommandLine(tmp_path / "second")
    first("fit", images, "--prototypes", 12, "--cells", 4)
    first("index", images)
    found = first.json(*SEARCH)
    client = OpenSearch(opensearch)
    for index in client.indices.get(index=f"{shared.prefix}-*"):
        client.indices.delete(index=index)
    assert "scenesift rebuild" in second.refused(*SEARCH)
    second("rebuild")
    assert first.json(*SEARCH)["hits"] == found["hits"]


def test_a_batch_that_the_log_names_and_the_store_lacks_is_said(
    tmp_path: Path, images: Path, shared: Shared
) -> None:
    first, second = CommandLine(tmp_path / "first"), CommandLine(tmp_path / "second")
    first("fit", images, "--prototypes", 12, "--cells", 4)
    first("index", images)
    with Archive(first.home) as archive:
        batches = archive.home.batches.under("g1")
        (batch,) = batches.names()
        batches.remove(batch)
    line = second.refused(*SEARCH)
    assert f"{shared.store}/batches/g1/{batch}" in line
    assert "scenesift audit" in line or "restore it from a backup" in line
    (finding,) = second.json("audit", code=1)["findings"]
    assert finding["fault"] == "batch folders missing"
    assert batch in finding["examples"][0]


@pytest.mark.parametrize("shared", ["bucket"], indirect=True)
def test_a_store_that_does_not_answer_is_said(
    tmp_path: Path, images: Path, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = CommandLine(tmp_path / "first")
    monkeypatch.setattr("scenestore.object_connection.BOUNDS", Bounds(1, 1, 1, 1))
    monkeypatch.setenv("SCENESIFT_STORE_ENDPOINT", "http://127.0.0.1:9")
    for command in (SEARCH, ("index", images), ("info",)):
        line = first.refused(*command)
        assert f"{shared.store}" in line
        assert "does not answer" in line
    monkeypatch.setenv("SCENESIFT_STORE", "s3://a-bucket-that-there-is-not/x")
    monkeypatch.delenv("SCENESIFT_STORE_ENDPOINT")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert "does not answer" in first.refused(*SEARCH)


@pytest.mark.parametrize("shared", ["folder"], indirect=True)
def test_batches_that_are_copied_into_a_store_are_served_from_there(
    indexed: CommandLine, tmp_path: Path, shared: Shared
) -> None:
    for part in ("batches", "bundles"):
        shutil.copytree(indexed.home / part, shared.folder / part)
    other = CommandLine(tmp_path / "other")
    assert "scenesift rebuild" in other.refused(*SEARCH)
    other("rebuild")
    assert len(other.json(*SEARCH)["hits"]) == 7
    assert other.json("info")["entries"] == {"chip": 24, "caption": 48}
    assert other.json("audit")["clean"]


def test_a_store_beside_the_embedded_engine_works_too(
    run: CommandLine, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESIFT_STORE", (tmp_path / "store").as_uri())
    run("fit", images, "--prototypes", 12, "--cells", 4)
    run("index", images)
    assert len(run.json(*SEARCH)["hits"]) == 7
    assert (tmp_path / "store" / "batches").is_dir()
    assert not (run.home / "batches").exists()


FULL = """
import resource, sys
from scenesift.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
main()
"""
"""The disk of the store takes no more: the home, on another, keeps only small files."""


def test_a_store_whose_disk_is_full_says_so_and_loses_nothing(
    tmp_path: Path, images: Path, in_a_folder: Shared
) -> None:
    machine, source = CommandLine(tmp_path / "home"), tmp_path / "mine"
    filled(machine, images, source)
    done = ended(python(FULL, "index", source, "--home", machine.home))
    check_refused(machine, in_a_folder, done)
    assert machine.json("index", source)["indexed"] == 8
    assert machine.json("audit", "--source", source)["clean"]


def test_a_store_that_is_read_only_says_so_and_is_searched(
    tmp_path: Path, images: Path, in_a_folder: Shared
) -> None:
    machine, source = CommandLine(tmp_path / "home"), tmp_path / "mine"
    filled(machine, images, source)
    folders = [path for path in in_a_folder.folder.rglob("*") if path.is_dir()]
    for folder in (in_a_folder.folder, *folders):
        folder.chmod(0o555)
    mortal = []  # root may write anywhere, unless it gives that up
    if os.geteuid() == 0:
        mortal = ["setpriv", "--bounding-set=-dac_override"]
    command = [*mortal, sys.executable, "-m", "scenesift", "index", str(source)]
    done = ended(
        subprocess.Popen(
            [*command, "--home", str(machine.home)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    )
    check_refused(machine, in_a_folder, done)
    for folder in (in_a_folder.folder, *folders):
        folder.chmod(0o755)
    assert machine.json("index", source)["indexed"] == 8
    assert machine.json("audit", "--source", source)["clean"]


@pytest.fixture
def in_a_folder(
    tmp_path: Path, opensearch: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shared]:
    """An OpenSearch node, and a store in a folder that is not the home's."""
    prefix, store = f"store-{secrets.token_hex(4)}", tmp_path / "store"
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", opensearch)
    monkeypatch.setenv("SCENESIFT_OPENSEARCH_PREFIX", prefix)
    monkeypatch.setenv("SCENESIFT_STORE", str(store))
    yield Shared(prefix, str(store), store)
    client = OpenSearch(opensearch)
    for index in client.indices.get(index=f"{prefix}-*"):
        client.indices.delete(index=index)


def filled(machine: CommandLine, images: Path, source: Path) -> None:
    """Index all but the red images, which are in the source then."""
    shutil.copytree(images, source, ignore=shutil.ignore_patterns("red"))
    machine("fit", images, "--prototypes", 12, "--cells", 4)
    machine("index", source)
    shutil.copytree(images / "red", source / "red")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and stderr of a process that comes to its end."""
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def check_refused(machine: CommandLine, shared: Shared, done: tuple[int, str]) -> None:
    """One line names the store, and what is there is found as before."""
    status, errors = done
    assert status == 1
    line = errors.splitlines()[-1]
    assert shared.store in line
    assert "make room or permit writing" in line
    assert "Traceback" not in errors
    assert len(machine.json(*SEARCH)["hits"]) == 7
