"""The shard store in a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scenestore.errors import StoreError
from scenestore.local_store import LocalStore
from tests.scenestore.store_contract import StoreContract, publish

DIE_IN_A_DRAFT = """
import os, signal, sys
from pathlib import Path
from scenestore.local_store import LocalStore
with LocalStore(Path(sys.argv[1])).draft() as draft:
    (draft / "file").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


class TestLocalStore(StoreContract):
    """A folder keeps the contract."""


def test_what_a_writer_left_that_died_is_removed(store: LocalStore) -> None:
    publish(store, "folder")
    died = subprocess.run([sys.executable, "-c", DIE_IN_A_DRAFT, store.folder], timeout=60)
    assert died.returncode == -9
    assert len(list(store.folder.iterdir())) == 2
    assert store.names() == ["folder"]
    store.remove_drafts()
    assert [path.name for path in store.folder.iterdir()] == ["folder"]


def test_drafts_of_an_earlier_version_are_removed(store: LocalStore) -> None:
    (store.folder / ".writing-old" / "batch").mkdir(parents=True)
    store.remove_drafts()
    assert not list(store.folder.iterdir())


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = LocalStore(tmp_path / "file")
    for write in (store.prepare, lambda: store.put("blob", b""), lambda: publish(store, "folder")):
        with pytest.raises(StoreError, match=r"file cannot be written: .*permit writing") as caught:
            write()
        assert "\n" not in str(caught.value)
