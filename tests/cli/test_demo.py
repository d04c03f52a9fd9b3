"""The demo: what a stranger sees first."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from scenesift.commands import demo
from tests.cli.command_line import CommandLine

BEACH = "images/ucm/beach/beach09.jpg"


@pytest.fixture
def small_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The harbors of the sample archive, and the image that the demo searches for."""
    folder = tmp_path / "sample"
    harbors = (demo.SAMPLE / "images/ucm/harbor").iterdir()
    for image in (*harbors, demo.SAMPLE / BEACH):
        link = folder / image.relative_to(demo.SAMPLE)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(image)
    (folder / "captions.jsonl").symlink_to(demo.SAMPLE / "captions.jsonl")
    monkeypatch.setattr(demo, "SAMPLE", folder)
    return folder


def test_the_demo_indexes_searches_and_writes_a_sheet_and_can_be_repeated(
    fitted: CommandLine, small_sample: Path
) -> None:
    first = fitted.json("demo")
    assert first["index"]["indexed"] == 26
    assert len(first["searches"]) == 5
    assert all(len(search["hits"]) == 5 for search in first["searches"])
    assert "data:image/jpeg" in Path(first["sheet"]).read_text()
    again = fitted("demo").stdout
    assert "0 images indexed, 26 were already there" in again
    for search in first["searches"]:
        assert search["command"] in again
        assert search["hits"][0]["scene"] in again


def test_the_searches_of_the_demo_name_what_the_sample_archive_has() -> None:
    for each in demo.tries(demo.SAMPLE):
        if each.image:
            assert each.image.is_file()
        if each.like:
            assert (demo.SAMPLE / each.like).is_file()


def test_without_the_sample_archive_the_demo_says_what_to_do(
    fitted: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "SAMPLE", tmp_path / "absent")
    assert "scenesift index SOURCE" in fitted.refused("demo")


def test_the_demo_ends_with_a_page_to_search_on_until_it_is_told_to_stop(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scenesift", "demo", "--serve", "--home", str(tmp_path / "h")]
    bare = {k: v for k, v in os.environ.items() if not k.startswith("SCENESIFT_")}
    alone = {**bare, "SCENESIFT_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=alone) as process:
        assert process.stdout
        try:
            addresses = (re.search(r"at (http://\S+)", line) for line in process.stdout)
            address = next(found[1] for found in addresses if found)
            with urllib.request.urlopen(f"{address}/?text=boats+in+a+harbor", timeout=60) as page:
                assert b"images/ucm/harbor/" in page.read()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130)
