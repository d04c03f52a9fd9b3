"""A folder of pictures and an archive for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.indexer.archive import TestArchive, save_picture


@pytest.fixture(autouse=True)
def hasty_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the wait for the disk, most of these tests' time: no test here cuts the power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twenty images in three folders."""
    folder = tmp_path / "pictures"
    for number in range(20):
        place = ("", "coast/", "coast/north/")[number % 3]
        save_picture(folder / f"{place}{number:02d}.{('jpg', 'png')[number % 2]}", number)
    return folder


@pytest.fixture
def archive(tmp_path: Path, pictures: Path) -> TestArchive:
    """An embedded archive, nothing in it yet."""
    return TestArchive.embedded(tmp_path / "home", pictures)
