"""What threads of one service share: engine, models, generations and names of collections."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scenesift import engine, models, pins, reader
from scenesift.archive import Archive
from scenesift.engine import Engine
from scenesift.home import Home
from scenesift.models import MOST_LOADED, Encoders
from scenesift.reader import ArchiveReader
from scenesift.settings import Settings
from scenestore.filters import ANY
from sgpd.encoders import Encoder
from sgpd.fit import FitSettings
from tests.query_service.conftest import settings_of

SECONDS = 20


def test_threads_open_one_engine_and_wait_for_no_other_archives(
    served_home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Engine] = []
    begun, may_go = threading.Event(), threading.Event()
    open_engine = engine.open_engine

    def slowly(settings: Settings, home: Home) -> Engine:
        if settings.opensearch_prefix == "slow":
            begun.set()
            assert may_go.wait(SECONDS)
        opened.append(open_engine(settings, home))
        return opened[-1]

    monkeypatch.setattr(reader, "open_engine", slowly)
    slow = ArchiveReader.of(settings_of(served_home, model, opensearch_prefix="slow"))
    other = ArchiveReader.of(settings_of(served_home, model))
    with slow, other, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(lambda: slow.engine) for _ in range(4)]
        assert begun.wait(SECONDS)
        try:
            assert threading_free(lambda: other.engine)
        finally:
            may_go.set()
        assert {id(one.result(SECONDS)) for one in waiting} == {id(opened[-1])}
    assert len(opened) == 2


def threading_free(call: object) -> bool:
    """Whether a call ends while others are stopped."""
    ended = threading.Event()

    def run() -> None:
        call()  # type: ignore[operator]
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    return ended.wait(SECONDS / 4)


def test_who_has_a_model_does_not_wait_for_another_to_load(
    served_home: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str | None] = []
    begun, may_go = threading.Event(), threading.Event()
    load_encoder = models.load_encoder

    def slowly(settings: Settings) -> Encoder:
        loaded.append(settings.model)
        if settings.model and settings.model.endswith("."):
            begun.set()
            assert may_go.wait(SECONDS)
        return load_encoder(settings)

    monkeypatch.setattr(models, "load_encoder", slowly)
    encoders = Encoders(settings_of(served_home, model))
    known = encoders.of(str(model))
    with ThreadPoolExecutor(2) as pool:
        loading = [pool.submit(encoders.of, f"{model}/.") for _ in range(2)]
        assert begun.wait(SECONDS)
        try:
            assert threading_free(lambda: encoders.of(str(model)))
        finally:
            may_go.set()
        first, second = (one.result(SECONDS) for one in loading)
    assert first is second
    assert encoders.of(str(model)) is known
    assert len(loaded) == 2 == MOST_LOADED
    encoders.of(f"{model}//")  # takes the place of the one that was used longest ago
    assert encoders.of(str(model)) is known
    encoders.of(f"{model}/.")
    assert len(loaded) == 4


def generation_of(archive: Archive, images: Path, cells: int) -> str:
    """The name of a new generation with a bundle of its own."""
    archive.fit(images, settings=FitSettings(cells=cells, prototypes=12))
    return archive.create_generation()


def test_generations_that_old_pages_name_are_closed_again(
    served_home: Path, model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(served_home, home)
    with Archive(home, model=str(model), threads=1) as archive:
        archive.switch_generation(generation_of(archive, images, 2))
        generation_of(archive, images, 3)
    monkeypatch.setattr(pins, "MOST_REOPENED", 1)
    with ArchiveReader(home, model=str(model), threads=1) as searching:
        for name in ("g1", "g3", "g1", "g3"):
            with searching.pins.held(name) as pin:
                assert pin.generation.documents.count("chip", ANY) == 24
            assert searching.pins.opened == sorted(["g2", name])
        with searching.pins.held("g1") as one, searching.pins.held("g3") as other:
            assert searching.pins.opened == ["g1", "g2", "g3"]
            for pin in (one, other):
                assert pin.generation.documents.count("chip", ANY) == 24
        assert len(searching.pins.opened) == 2
        monkeypatch.setattr(pins, "REOPENED_SECONDS", 0.0)
        with searching.pins.held():
            pass
        assert searching.pins.opened == ["g2"]


def test_the_model_of_the_next_generation_is_loaded_while_the_last_is_searched(
    served_home: Path, model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    shutil.copytree(served_home, home)
    shutil.copytree(model, other)
    begun, may_go = threading.Event(), threading.Event()
    load_encoder = models.load_encoder

    def slowly(settings: Settings) -> Encoder:
        if settings.model == str(other):
            begun.set()
            assert may_go.wait(SECONDS)
        return load_encoder(settings)

    with ArchiveReader(home, model=str(model), threads=1) as searching:
        assert searching.search("a red field").generation == "g1"
        with Archive(home, model=str(model), threads=1) as archive:
            name = generation_of(archive, images, 2)
            archive.generations.describe(name, model=str(other))
            archive.switch_generation(name)
        monkeypatch.setattr(models, "load_encoder", slowly)
        with ThreadPoolExecutor(2) as pool:
            following = pool.submit(searching.pins.follow)
            try:
                assert begun.wait(SECONDS)
                assert searching.pins.live is not None
                answer = pool.submit(lambda: searching.search("a red field"))
                assert answer.result(SECONDS).generation == "g1"
            finally:
                may_go.set()
            assert following.result(SECONDS).name == name
        assert searching.search("a red field").generation == name
