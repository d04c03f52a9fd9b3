"""One SQLite file of several threads: readers wait for nobody."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scenestore.embedded.database import Database
from scenestore.errors import StoreError

SECONDS = 20


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(tmp_path / "a? #b" / "100%.sqlite")
    with database.writing() as db:
        db.execute("CREATE TABLE t (n INTEGER)")
        db.execute("INSERT INTO t VALUES (1)")
    return database


def numbers(database: Database) -> list[int]:
    with database.reading() as db:
        return [n for (n,) in db.execute("SELECT n FROM t ORDER BY n")]


def test_a_reader_waits_neither_for_another_nor_for_a_write(database: Database) -> None:
    with ThreadPoolExecutor(1) as pool, database.reading() as mine:
        rows = mine.execute("SELECT n FROM t")
        assert pool.submit(numbers, database).result(SECONDS) == [1]
        with database.writing() as db:
            db.execute("INSERT INTO t VALUES (2)")
            assert pool.submit(numbers, database).result(SECONDS) == [1]
        assert pool.submit(numbers, database).result(SECONDS) == [1, 2]
        assert rows.fetchall() == [(1,)]


def test_the_state_changes_with_every_write_of_ours_and_of_others(database: Database) -> None:
    states = [database.state()]
    assert database.state() == states[0]
    with database.writing() as db:
        db.execute("INSERT INTO t VALUES (2)")
    states.append(database.state())
    other = Database(database.path)
    with other.writing() as db:
        db.execute("INSERT INTO t VALUES (3)")
    states.append(database.state())
    assert numbers(database) == [1, 2, 3]
    assert database.state() == states[2]
    assert len(set(states)) == 3


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def write() -> None:
        with database.writing() as db:
            db.execute("INSERT INTO t VALUES (2)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert numbers(database) == [1]


def test_who_failed_leaves_nobody_an_old_view(database: Database) -> None:
    kept: list[sqlite3.Cursor] = []

    def read() -> None:
        with database.reading() as db:
            kept.append(db.execute("SELECT n FROM t"))  # as the traceback of an error may keep it
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read()
    with database.writing() as db:
        db.execute("INSERT INTO t VALUES (2)")
    assert numbers(database) == [1, 2]


def test_every_connection_is_prepared(tmp_path: Path) -> None:
    def prepare(db: sqlite3.Connection) -> None:
        db.create_function("twice", 1, lambda n: 2 * n, deterministic=True)

    database = Database(tmp_path / "x.sqlite", prepare)
    with database.reading() as one, database.reading() as other, database.writing() as writer:
        assert one is not other
        for db in (one, other, writer):
            assert db.execute("SELECT twice(3)").fetchone() == (6,)


def test_what_is_closed_reads_no_more_and_leaves_no_connection(database: Database) -> None:
    release, taken = threading.Event(), threading.Event()

    def read() -> None:
        with database.reading():
            taken.set()
            assert release.wait(SECONDS)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        assert taken.wait(SECONDS)
        database.state()
        database.close()
        release.set()
        reading.result(SECONDS)
    with pytest.raises(StoreError):
        numbers(database)
    files = {file.name for file in database.path.parent.iterdir()}
    assert files == {database.path.name}  # who closes the last connection takes the log away


def test_a_reader_does_not_make_a_file_that_was_dropped(database: Database) -> None:
    with database.reading():
        database.path.unlink()
        with pytest.raises(StoreError):
            numbers(database)
    assert not database.path.exists()
