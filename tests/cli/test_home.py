"""The home directory: what it refuses to be, and who may write."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scenesift.errors import HomeBusyError, HomeError
from scenesift.generations import Generations
from scenesift.home import Home
from tests.cli.command_line import ROOT, CommandLine, python

HOLD = """
import sys
from pathlib import Path
from scenesift.home import Home
with Home(Path(sys.argv[1])).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_reading_creates_nothing(run: CommandLine) -> None:
    for command in (["search", "x"], ["info"], ["audit"], ["rebuild"], ["delete", "x"]):
        assert "no archive" in run.refused(*command)
    assert not run.home.exists()


def test_a_home_that_cannot_be_written_says_that_it_must_be(indexed: CommandLine) -> None:
    folder = indexed.home / "embedded"
    folder.chmod(0o555)
    mortal = []  # root may write anywhere, unless it gives that up
    if os.geteuid() == 0:
        mortal = ["setpriv", "--bounding-set=-dac_override"]
    asked = ["search", "a field", "--home", str(indexed.home)]
    done = subprocess.run(
        [*mortal, sys.executable, "-m", "scenesift", *asked],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    folder.chmod(0o755)
    assert done.returncode == 1
    assert "permit writing to its folder, or copy the home" in done.stderr


def test_a_wrong_source_leaves_no_home_behind(run: CommandLine) -> None:
    assert "no such folder" in run.refused("index", "nowhere")
    assert not run.home.exists()


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="is a file"):
        Home(tmp_path / "file")


def test_a_folder_with_other_files_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(HomeError, match=r"holiday\.jpg"), Home(tmp_path).writing():
        pass


def test_a_folder_with_settings_alone_becomes_a_home(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").touch()
    with Home(tmp_path).writing():
        assert Home(tmp_path).exists


def test_a_home_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text('{"format": 99}')
    with pytest.raises(HomeError, match="format 99"):
        Home(tmp_path)


def test_a_damaged_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home.json").write_text("{")
    with pytest.raises(HomeError, match="restore it"):
        Home(tmp_path)


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = Home(tmp_path / "file" / "home")
    with pytest.raises(HomeError, match="cannot be written"), home.writing():
        pass


def test_a_second_writer_is_told_who_writes_and_searches_go_on(
    indexed: CommandLine, images: Path
) -> None:
    with python(HOLD, indexed.home) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for command in (["index", images], ["delete", "red/red3.png"], ["rebuild"]):
            assert f"process {holder.pid} is writing" in indexed.refused(*command)
        assert indexed.json("search", "a red field")["hits"]
        holder.kill()
    with Home(indexed.home).writing():
        pass


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with home.writing(), pytest.raises(HomeBusyError, match=str(os.getpid())), home.writing():
        pass
    with home.writing():
        pass


def test_who_looks_while_another_indexes_for_the_first_time_is_not_sent_to_rebuild(
    fitted: CommandLine, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first generation is there before it is live."""
    move = Generations.move
    said: list[str] = []

    def look_before(*args: Any) -> None:
        monkeypatch.setattr(Generations, "move", move)
        said.append(fitted.refused("search", "a red field"))
        move(*args)

    monkeypatch.setattr(Generations, "move", look_before)
    fitted("index", images)
    assert "nothing is indexed" in said[0]
    assert "rebuild" not in said[0]
    assert len(fitted.json("search", "a red field")["hits"]) == 10
