"""Several machines, each with a home of its own, that share a store and an engine."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from scenesift.archive import Archive
from scenestore.object_store import Bounds
from tests.cli.command_line import CommandLine
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
    monkeypatch.setattr("scenestore.object_store.BOUNDS", Bounds(1, 1, 1, 1))
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
