"""A batch folder gives back what was put in, and notices what was changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scenestore import keys as key_space
from scenestore.batch import Batch, BatchContent, write_batch
from scenestore.entry import Entry, Identity, Metadata, SceneOutcome
from scenestore.errors import DamagedError, StoreError
from scenestore.local_store import LocalStore
from tests.builders import chips, coded, small_bundle
from tests.vectors import clustered

texts = st.text(max_size=30)
metadata = st.builds(
    Metadata,
    datetime=st.none() | st.just("2024-05-01T10:00:00Z"),
    cloud_cover=st.none() | st.floats(0, 100),
    gsd=st.none() | st.floats(0.01, 1000),
    platform=st.none() | texts,
    footprint=st.none() | st.just({"type": "Point", "coordinates": [1.5, -2.25]}),
    properties=st.dictionaries(texts, st.booleans() | st.integers() | texts, max_size=3),
)


def content(entries: list[Entry], ordinal: int = 7) -> BatchContent:
    bundle = small_bundle()
    split = {kind: [e for e in entries if e.identity.kind == kind] for kind in ("chip", "caption")}
    vectors = clustered(len(entries), seed=ordinal)
    parts = {
        kind: coded(bundle, kind, vectors[: len(part)], part)  # type: ignore[arg-type]
        for kind, part in split.items()
    }
    outcomes = [SceneOutcome("c", "s", "failed", "it is a fish", "f", "1:2", 0, 0)]
    gone = [Identity("caption", "c", "s", 3)]
    return BatchContent(
        ordinal,
        "run-1",
        bundle.digest,
        parts,  # type: ignore[arg-type]
        outcomes,
        gone,
        [b"one", b"", b"three"],
    )


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(texts, texts, metadata), max_size=12))
def test_what_goes_in_comes_out(tmp_path: Path, facts: list[tuple[str, str, Metadata]]) -> None:
    entries = [
        Entry(
            Identity("caption" if i % 3 else "chip", "c", f"{scene}{i}", i if i % 3 else None),
            f"{scene}.jpg",
            caption if i % 3 else None,
            ("water", "boat")[: i % 3],
            i if i % 2 else None,
            known,
        )
        for i, (scene, caption, known) in enumerate(facts)
    ]
    made = content(entries)
    batch = write_batch(made, LocalStore(tmp_path))
    batch.verify()
    read = [entry for kind in batch.rows for entry in batch.entries(kind)]
    assert sorted(read, key=repr) == sorted(entries, key=repr)
    assert batch.outcomes == made.outcomes
    assert batch.tombstones == made.tombstones
    assert batch.thumbnails(range(len(made.thumbnails))) == made.thumbnails
    assert (batch.ordinal, batch.plan, batch.bundle) == (7, "run-1", small_bundle().digest)


def test_rows_are_ordered_by_cell_and_keys_follow_them(tmp_path: Path) -> None:
    entries = chips([f"s{i}" for i in range(50)])
    captions = [Entry(Identity("caption", "c", f"s{i}", 0), "s.jpg", "a ship") for i in range(20)]
    made = content(entries + captions)
    batch = write_batch(made, LocalStore(tmp_path))
    assert batch.keys("chip")[0] == 7 * 2**20
    assert batch.keys("caption")[0] == 7 * 2**20 + 50
    for kind, part in made.parts.items():
        segment = batch.segment(kind)
        cells = batch.cells(kind)
        assert np.all(np.diff(cells) >= 0)
        assert np.array_equal(segment.keys, batch.keys(kind))
        written = {entry.identity: i for i, entry in enumerate(part.entries)}
        order = [written[entry.identity] for entry in batch.entries(kind)]
        positions = segment.positions(batch.keys(kind))
        assert np.array_equal(segment.vectors(positions), part.vectors[order])
        assert np.array_equal(segment.cells_of(positions), part.cells[order])
        for row, place in enumerate(order):
            for stored, given_ in zip(
                batch.codes(kind).row(row), part.codes.row(place), strict=True
            ):
                assert np.array_equal(stored, given_)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**20 - 1)), min_size=1))
def test_a_key_gives_back_its_ordinal_and_row(pairs: list[tuple[int, int]]) -> None:
    keys = np.array([key_space.first_key(ordinal) + row for ordinal, row in pairs])
    assert key_space.ordinals(keys).tolist() == [ordinal for ordinal, _ in pairs]
    assert key_space.rows(keys).tolist() == [row for _, row in pairs]


@pytest.mark.parametrize("name", ["chip/docs.parquet", "chip/vectors.ivf", "outcomes.parquet"])
def test_a_file_edited_by_hand_is_noticed(tmp_path: Path, name: str) -> None:
    batch = write_batch(content(chips(["a", "b"])), LocalStore(tmp_path))
    path = batch.folder.file(name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=name):
        Batch.open(batch.folder).verify()


def test_a_truncated_or_missing_file_is_noticed_on_opening(tmp_path: Path) -> None:
    batch = write_batch(content(chips(["a", "b"])), LocalStore(tmp_path))
    path = batch.folder.file("chip/vectors.ivf")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"vectors\.ivf"):
        Batch.open(batch.folder)
    path.unlink()
    with pytest.raises(DamagedError, match="missing"):
        Batch.open(batch.folder)


def test_a_manifest_edited_by_hand_is_noticed(tmp_path: Path) -> None:
    batch = write_batch(content(chips(["a", "b"])), LocalStore(tmp_path))
    manifest = batch.folder.file("manifest.json")
    manifest.write_text(manifest.read_text().replace('"ordinal": 7', '"ordinal": 8'))
    with pytest.raises(DamagedError, match="manifest"):
        Batch.open(batch.folder)


def test_a_root_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with pytest.raises(StoreError, match="cannot be written") as caught:
        write_batch(content(chips(["a"])), LocalStore(root))
    assert "\n" not in str(caught.value)


def test_writing_the_same_batch_again_keeps_the_first(tmp_path: Path) -> None:
    first = write_batch(content(chips(["a"])), LocalStore(tmp_path))
    again = write_batch(content(chips(["a"])), LocalStore(tmp_path))
    assert first.name == again.name
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
