"""A folder of images."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from indexer.errors import SourceError
from indexer.source import Source
from tests.indexer.archive import save_picture


def scenes(folder: Path) -> list[str]:
    return [file.scene for file in Source(folder).files()]


def test_scenes_come_in_the_order_of_their_ids(tmp_path: Path) -> None:
    for name in ("a/b.png", "a.png", "a-b/c.png", "ab.png", "a/a/a.png", "B.png", "é.png"):
        save_picture(tmp_path / name, 1)
    found = scenes(tmp_path)
    assert found == sorted(found)
    assert len(found) == 7


def test_a_suffix_in_any_case_makes_a_scene_and_other_files_are_counted(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.TiFf", "c.webp", "notes.txt", "noimage", "d.png.aux.xml", ".e.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "f.png").write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.png")
    source = Source(tmp_path)
    assert [file.scene for file in source.files()] == ["a.JPG", "b.TiFf", "c.webp"]
    assert source.others == 4


def test_links_are_followed_but_never_in_a_circle(tmp_path: Path) -> None:
    save_picture(tmp_path / "real" / "a.png", 1)
    (tmp_path / "real" / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "self").symlink_to(tmp_path / "real")
    (tmp_path / "twin").symlink_to(tmp_path / "real")
    assert scenes(tmp_path) == ["real/a.png", "twin/a.png"]


def test_a_link_to_nothing_is_a_scene_without_a_stat(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (file,) = Source(tmp_path).files()
    assert (file.scene, file.stat) == ("gone.png", "")


def test_a_name_that_is_not_utf8_is_spelled_out_and_refused(tmp_path: Path) -> None:
    place = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(place, "wb") as file:  # noqa: PTH123  (pathlib takes no bytes)
        file.write(b"x")
    (found,) = Source(tmp_path).files()
    assert found.scene == "caf\\xe9.png"
    assert found.fault == "its path is not UTF-8; rename it"


def test_the_stat_changes_with_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    os.utime(path, ns=(5, 5))
    (file,) = Source(tmp_path).files()
    assert file.stat == "1:5"


@pytest.mark.parametrize(
    ("name", "advice"), [("data.tar", "extract it first"), ("a.png", "give its folder")]
)
def test_a_file_is_no_source(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match=advice):
        Source(tmp_path / name)


def test_a_folder_whose_path_is_not_utf8_is_no_source(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    Path(folder).mkdir()
    with pytest.raises(SourceError, match=r"caf.xe9: the path is not UTF-8"):
        Source(Path(folder))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: there is no such folder"):
        Source(tmp_path / "nowhere")


def test_a_folder_that_vanishes_during_the_scan_stops_it(tmp_path: Path) -> None:
    save_picture(tmp_path / "a" / "a.png", 1)
    save_picture(tmp_path / "b" / "b.png", 1)
    found = Source(tmp_path).files()
    assert next(found).scene == "a/a.png"
    (tmp_path / "b" / "b.png").unlink()
    (tmp_path / "b").rmdir()
    with pytest.raises(SourceError, match="b cannot be opened"):
        next(found)
