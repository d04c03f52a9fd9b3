"""What every shard store does; the tests of each one inherit this."""

from __future__ import annotations

import threading
from pathlib import Path

from scenestore.store import Store
from sgpd import sealed


def publish(store: Store, name: str, content: str = "content") -> None:
    """Publish a folder of two files."""
    with store.draft() as draft:
        (draft / "file").write_text(content)
        (draft / "sub").mkdir()
        (draft / "sub" / "file").write_text("deep")
        sealed.seal(draft, {"format": 1})
        store.publish(draft, name)


def content_of(folder: Path) -> dict[str, str]:
    """What a folder holds, the manifest left out."""
    files = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    del files[sealed.MANIFEST]
    return files


class StoreContract:
    """Inherited with a fixture `store`, an empty one."""

    def test_nothing_is_there_before_something_is_written(self, store: Store) -> None:
        assert store.parts() == store.names() == store.blobs() == []
        assert store.get("blob") is None
        store.remove("nothing")
        store.remove_drafts()
        store.clear()

    def test_a_published_folder_is_read_as_it_was_written(self, store: Store) -> None:
        store.prepare()
        publish(store, "folder")
        assert store.names() == ["folder"]
        folder = store.open("folder").whole()
        assert content_of(folder) == {"file": "content", "sub/file": "deep"}
        sealed.verify(folder, sealed.read_manifest(folder, 1)[0])

    def test_files_of_a_folder_and_parts_of_them(self, store: Store) -> None:
        publish(store, "folder", "0123456789")
        folder = store.open("folder")
        manifest, digest = folder.manifest(1)
        assert len(digest) == 64
        folder.verify(manifest)
        assert folder.name == "folder"
        assert str(folder).endswith("/folder")
        assert folder.has("sub/file")
        assert not folder.has("other")
        assert folder.size("file") == 10
        assert folder.file("file").read_text() == "0123456789"
        parts = folder.ranges("file", [7, 0, 1], [3, 1, 2])
        assert [bytes(part) for part in parts] == [b"789", b"0", b"12"]

    def test_a_name_that_is_taken_keeps_what_it_has(self, store: Store) -> None:
        publish(store, "folder", "first")
        publish(store, "folder", "second")
        assert content_of(store.open("folder").whole())["file"] == "first"
        assert store.names() == ["folder"]

    def test_a_draft_that_is_not_published_leaves_nothing(self, store: Store) -> None:
        with store.draft() as draft:
            (draft / "file").write_text("half")
        assert store.names() == []
        assert not draft.exists()

    def test_drafts_of_the_living_stay(self, store: Store) -> None:
        with store.draft() as draft:
            store.remove_drafts()
            assert draft.is_dir()

    def test_names_are_sorted_and_chosen_by_their_beginning(self, store: Store) -> None:
        for name in ("b-2", "a-1", "b-1"):
            publish(store, name)
        assert store.names() == ["a-1", "b-1", "b-2"]
        assert store.names("b-") == ["b-1", "b-2"]

    def test_parts_are_stores_of_their_own(self, store: Store) -> None:
        one, two = store.under("parts").under("one"), store.under("parts/two")
        publish(one, "folder", "first")
        two.put("blob", b"second")
        assert store.under("parts").parts() == ["one", "two"]
        assert (one.names(), one.blobs(), two.blobs()) == (["folder"], [], ["blob"])
        one.clear()
        assert store.under("parts").parts() == ["two"]
        assert one.names() == []

    def test_a_removed_folder_is_gone_and_its_name_is_free(self, store: Store) -> None:
        publish(store, "folder", "first")
        publish(store, "other")
        store.remove("folder")
        assert store.names() == ["other"]
        publish(store, "folder", "second")
        assert content_of(store.open("folder").whole())["file"] == "second"

    def test_a_blob_is_written_once(self, store: Store) -> None:
        assert store.put("plans/one", b"first")
        assert not store.put("plans/one", b"second")
        assert store.get("plans/one") == b"first"
        assert store.under("plans").blobs() == ["one"]
        store.remove("plans/one")
        assert store.get("plans/one") is None
        assert store.put("plans/one", b"second")

    def test_of_writers_at_once_one_wins(self, store: Store) -> None:
        won: list[int] = []

        def write(number: int) -> None:
            if store.put("blob", bytes([number])):
                won.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(won) == 1
        assert store.get("blob") == bytes(won)

    def test_the_age_of_a_blob_is_told_by_the_store(self, store: Store) -> None:
        store.put("blob", b"")
        assert -1 < store.age("blob") < 60
