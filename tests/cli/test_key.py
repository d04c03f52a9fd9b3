"""Keys of the query service, as an operator keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from query_service.keys import Key, digest_of
from scenesift.archive import Archive
from scenesift.keys import Keys
from tests.cli.command_line import CommandLine
from tests.s3_server import S3Server


def known(run: CommandLine) -> list[Key]:
    """The keys as a service of this home reads them."""
    with Archive(run.home) as archive:
        return Keys(archive.home).load()


def test_a_key_is_shown_once_and_kept_as_a_digest(indexed: CommandLine) -> None:
    made = indexed("key", "create", "qgis")
    token = made.stdout.strip()
    assert "not shown again" in made.stderr
    assert known(indexed) == [Key("qgis", digest_of(token))]
    listed = indexed("key", "list").output
    assert listed.startswith("qgis  20")
    assert token not in listed
    kept = [path for path in indexed.home.rglob("*") if path.is_file()]
    assert not any(token.encode() in path.read_bytes() for path in kept)
    assert indexed.json("info")["scenes"]  # the home is as good as before


def test_a_revoked_key_is_gone_and_its_name_free(indexed: CommandLine) -> None:
    first = indexed.json("key", "create", "ci")["key"]
    assert "revoke it first" in indexed.refused("key", "create", "ci")
    assert indexed.json("key", "revoke", "ci") == {"revoked": "ci"}
    assert indexed.json("key", "list") == {"keys": []}
    assert "no key 'ci'" in indexed.refused("key", "revoke", "ci")
    second = indexed.json("key", "create", "ci")["key"]
    assert first != second
    assert known(indexed) == [Key("ci", digest_of(second))]


@pytest.mark.parametrize("name", ["", "Upper", "../../etc/passwd", "a.b", "x" * 65, "é"])
def test_a_name_that_no_file_should_have_is_refused(indexed: CommandLine, name: str) -> None:
    assert "small letters" in indexed.refused("key", "create", name)
    assert known(indexed) == []


def test_without_an_archive_there_is_nothing_to_make_keys_for(run: CommandLine) -> None:
    assert "scenesift index" in run.refused("key", "create", "qgis")
    assert not run.home.exists()


def test_machines_that_share_a_bucket_share_keys(
    tmp_path: Path, images: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESIFT_STORE", f"s3://{s3.bucket()}/archive")
    monkeypatch.setenv("SCENESIFT_STORE_ENDPOINT", s3.url)
    monkeypatch.setenv("SCENESIFT_STORE_REGION", "us-east-1")
    first, second = CommandLine(tmp_path / "first"), CommandLine(tmp_path / "second")
    first("fit", images, "--prototypes", 12, "--cells", 4)
    token = first.json("key", "create", "qgis")["key"]
    assert known(second) == [Key("qgis", digest_of(token))]
    second("key", "revoke", "qgis")
    assert known(first) == []
