"""A home for the command line as a user runs it."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from opensearchpy import OpenSearch

from tests.cli.command_line import CommandLine


@pytest.fixture(autouse=True)
def settings_of_the_tests(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small model, one thread, and a working directory of its own."""
    monkeypatch.setenv("SCENESIFT_MODEL", str(model))
    monkeypatch.setenv("SCENESIFT_THREADS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command line in a home that is not there yet."""
    return CommandLine(tmp_path / "home")


@pytest.fixture
def fitted(run: CommandLine, fitted_home: Path) -> CommandLine:
    """The command line in a copy of the fitted home."""
    copytree(fitted_home, run.home)
    return run


@pytest.fixture
def indexed(run: CommandLine, indexed_home: Path) -> CommandLine:
    """The command line in a copy of the indexed home."""
    copytree(indexed_home, run.home)
    return run


@pytest.fixture(params=["embedded", "opensearch"])
def archive(
    request: pytest.FixtureRequest,
    fitted: CommandLine,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CommandLine]:
    """An indexed archive on either engine, whose images may be changed."""
    prefix = f"generations-{secrets.token_hex(4)}"
    if request.param == "opensearch":
        url = request.getfixturevalue("opensearch")
        monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", url)
        monkeypatch.setenv("SCENESIFT_OPENSEARCH_PREFIX", prefix)
    copytree(images, tmp_path / "images")
    fitted("index", tmp_path / "images")
    yield fitted
    if request.param == "opensearch":
        client = OpenSearch(url)
        for index in client.indices.get(index=f"{prefix}-*"):
            client.indices.delete(index=index)
        client.close()
