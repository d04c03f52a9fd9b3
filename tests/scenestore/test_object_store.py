"""The shard store in a bucket of a real S3 server."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import obstore
import pytest

from scenestore.cache import Cache
from scenestore.errors import DamagedError, StoreError, UnavailableError
from scenestore.log import Log
from scenestore.object_connection import Bounds, connect
from scenestore.object_store import ObjectStore
from sgpd import sealed
from tests.builders import embedded_generation
from tests.builders import publish as publish_batch
from tests.s3_server import S3Server, s3_server
from tests.scenestore.store_contract import StoreContract, content_of, publish
from tests.vectors import clustered

HASTY = Bounds(connect_seconds=1, request_seconds=1, retry_seconds=2, retries=1)


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.bucket()


@pytest.fixture
def store(s3: S3Server, bucket: str, tmp_path: Path) -> ObjectStore:
    return s3.store(bucket, tmp_path / "cache")


@pytest.fixture
def elsewhere(s3: S3Server, bucket: str, tmp_path: Path) -> ObjectStore:
    """The same store on another machine."""
    return s3.store(bucket, tmp_path / "cache of another")


class TestObjectStore(StoreContract):
    """A bucket keeps the contract."""


class TestSecondMachine(StoreContract):
    """So does what another machine reads of it, which has nothing in its cache."""

    @pytest.fixture
    def store(self, store: ObjectStore, elsewhere: ObjectStore) -> ObjectStore:
        return _Pair(store, elsewhere)


class _Pair(ObjectStore):
    """Written on one machine, read on another."""

    def __init__(self, written: ObjectStore, read: ObjectStore) -> None:
        super().__init__(read.client, read.address, read._prefix, read.cache)
        self._written = written

    def under(self, prefix: str) -> ObjectStore:
        return _Pair(self._written.under(prefix), super().under(prefix))

    def publish(self, draft: Path, name: str) -> None:
        self._written.publish(draft, name)

    def put(self, name: str, content: bytes) -> bool:
        return self._written.put(name, content)


def test_a_folder_without_manifest_is_none(store: ObjectStore) -> None:
    publish(store, "whole")
    obstore.put(store.client, "half/file", b"an upload that was cut")
    assert store.names() == ["whole"]
    store.remove_drafts()
    assert obstore.head(store.client, "half/file")["size"] == 22  # it may be under way
    publish(store, "half", "now whole")
    assert content_of(store.open("half").whole())["file"] == "now whole"


def test_a_service_that_begins_every_listing_at_the_first_name_is_read_as_well(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Azure's emulator does."""
    for name in ("a-1", "b-1", "b-2", "c-1"):
        publish(store, name)
    whole = obstore.list
    monkeypatch.setattr(obstore, "list", lambda *args, offset, **options: whole(*args, **options))
    assert store.names("b-") == ["b-1", "b-2"]


def test_what_a_log_lacks_is_found_without_listing_the_files_of_all_it_has(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing of ten thousand batches' files takes a bucket longer than a writer may wait."""
    generation = embedded_generation(tmp_path / "home", store=store)
    for number in range(3):
        publish_batch(generation, [f"s{number}"], clustered(1, seed=number))
    with monkeypatch.context() as patched:
        patched.setattr(Log, "append", lambda log, batch: log.head())  # dies before
        publish_batch(generation, ["left"], clustered(1, seed=9))
    obstore.put(store.client, "g1/00000009-half/file", b"an upload that was cut")
    listed: list[str] = []
    whole = ObjectStore.listed

    def count(store: ObjectStore, from_name: str = "") -> Any:
        listed.append(from_name)
        return whole(store, from_name)

    monkeypatch.setattr(ObjectStore, "listed", count)
    assert [batch.ordinal for batch in generation.unfinished()] == [4]
    assert [name[:8] for name in listed] == ["00000004", "00000009"]


def test_what_was_written_here_need_not_be_fetched(store: ObjectStore) -> None:
    publish(store, "folder")
    before = store.cache.reads.bytes
    assert store.open("folder").file("file").read_text() == "content"
    assert store.cache.reads.bytes - before < 1000  # the manifest


def test_a_file_is_fetched_once(store: ObjectStore, elsewhere: ObjectStore) -> None:
    publish(store, "folder", "x" * 100_000)
    elsewhere.open("folder").file("file")
    reads = elsewhere.cache.reads
    assert (reads.misses, reads.hits) == (1, 0)
    assert 100_000 < reads.bytes < 102_000
    elsewhere.open("folder").file("file")
    assert (reads.misses, reads.hits) == (1, 1)
    assert reads.bytes < 103_000


@pytest.mark.parametrize("content", [b"changed", b"cut"])
def test_a_file_that_was_changed_in_the_bucket_is_refused(
    store: ObjectStore, elsewhere: ObjectStore, content: bytes
) -> None:
    publish(store, "folder")
    obstore.put(store.client, "folder/file", content)
    folder = elsewhere.open("folder")
    with pytest.raises(DamagedError, match=r"file was changed after it was sealed; restore it"):
        folder.file("file")
    with pytest.raises(sealed.SealError, match="file was changed"):
        store.open("folder").verify(folder.manifest(1)[0])


def test_a_file_that_grew_in_the_bucket_is_found(store: ObjectStore) -> None:
    publish(store, "folder")
    obstore.put(store.client, "folder/file", b"content and more")
    folder = store.open("folder")
    with pytest.raises(sealed.SealError, match="file was changed"):
        folder.verify(folder.manifest(1)[0])


def test_a_file_that_is_gone_from_the_bucket_is_named(
    store: ObjectStore, elsewhere: ObjectStore
) -> None:
    publish(store, "folder")
    obstore.delete(store.client, "folder/sub/file")
    with pytest.raises(DamagedError, match=r"s3://.*/archive.*restore it from a backup"):
        elsewhere.open("folder").file("sub/file")
    with pytest.raises(DamagedError, match=r"archive/nothing is gone"):
        elsewhere.open("nothing").file("file")


def test_a_forked_process_is_told_instead_of_waiting_for_ever(store: ObjectStore) -> None:
    store.put("blob", b"")
    context = multiprocessing.get_context("fork")
    told, tell = context.Pipe(duplex=False)

    def child() -> None:
        try:
            store.get("blob")
        except StoreError as error:
            tell.send(str(error))

    process = context.Process(target=child)
    process.start()
    assert told.poll(60)
    assert "before this process forked" in told.recv()
    process.join(60)


def test_a_large_file_comes_in_parts(store: ObjectStore, elsewhere: ObjectStore) -> None:
    content = "0123456789abcdef" * (20 << 16)  # 20 MiB
    publish(store, "folder", content)
    assert elsewhere.open("folder").file("file").read_text() == content
    assert elsewhere.cache.reads.requests >= 3


def said(error: pytest.ExceptionInfo[StoreError]) -> str:
    """The message, which must be one line and name the store."""
    assert "\n" not in str(error.value)
    assert "s3://" in str(error.value)
    return str(error.value)


def test_a_bucket_that_there_is_not_is_said(s3: S3Server, tmp_path: Path) -> None:
    store = s3.store("nobody-made-this", tmp_path)
    for call in (store.names, store.prepare, lambda: store.get("blob")):
        with pytest.raises(StoreError) as error:
            call()
        assert "no such bucket; make it, or correct SCENESIFT_STORE" in said(error)


def test_a_server_that_is_not_there_is_said_within_the_bounds(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    store = connect("s3://bucket/x", Cache(tmp_path, 1 << 20), url, "us-east-1", HASTY)
    with pytest.raises(UnavailableError) as error:
        store.names()
    assert "does not answer" in said(error)


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_is_too_slow_is_said_within_the_bounds(mute: str, tmp_path: Path) -> None:
    store = connect("s3://bucket/x", Cache(tmp_path, 1 << 20), mute, "us-east-1", HASTY)
    for call in (store.names, lambda: store.put("blob", b"")):
        with pytest.raises(UnavailableError) as error:
            call()
        assert "does not answer" in said(error)


@pytest.fixture(scope="module")
def strict() -> Iterator[S3Server]:
    """A server that knows nobody, once a bucket was made."""
    with s3_server(**os.environ, INITIAL_NO_AUTH_ACTION_COUNT="1") as server:
        yield server


def test_credentials_that_do_not_fit_are_said(
    strict: S3Server, s3: S3Server, tmp_path: Path
) -> None:
    store = strict.store(strict.bucket(), tmp_path)
    for call in (store.names, lambda: store.get("blob")):
        with pytest.raises(StoreError) as error:
            call()
        assert "cannot be read" in said(error)
        assert "check the credentials" in said(error)
    for call in (store.prepare, lambda: publish(store, "folder")):
        with pytest.raises(StoreError) as error:
            call()
        assert "check the credentials" in said(error)


def test_a_cache_without_room_is_said(store: ObjectStore, s3: S3Server, bucket: str) -> None:
    publish(store, "folder")
    full = s3.store(bucket, Path("/dev/full"))
    with pytest.raises(
        StoreError, match=r"the cache /dev/full cannot be written: .*SCENESIFT_CACHE"
    ):
        full.open("folder").file("file")


def test_the_cache_is_bounded_and_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10_000)
    for number in range(20):
        path = cache.keep(f"files/{number}", [bytes(1_000)])
        os.utime(path, (number, number))  # used long ago, one after the other
    assert cache.bytes <= 10_000
    assert cache.find("files/0", 1_000) is None
    assert cache.find("files/19", 1_000) is not None
    assert cache.find("files/18", 999) is None  # not what was kept
    cache.keep("files/new", [b"just used, so it stays"])
    assert cache.find("files/new", 22) is not None
