"""A switch that stood still, or that never got its answer, loses no write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from scenesift.archive import Archive
from scenesift.changeover import Changeover
from scenesift.generations import Generations
from scenesift.home import Home
from scenestore.errors import ConflictError, LostError
from scenestore.log import Log
from tests.cli.command_line import COLOURS, CommandLine, write_image


@contextmanager
def found_dead() -> Iterator[None]:
    """Whoever changes generations now stood still so long that another machine took over."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Home, "changing", lambda home: nullcontext())
        patched.setattr(Generations, "_leased", lambda generations: nullcontext())
        yield


def make(archive: CommandLine, images: Path, seed: int = 1) -> None:
    """A new generation beside the live one."""
    archive("fit", images, "--prototypes", 6, "--cells", 2, "--seed", seed)
    archive("generation", "create")


def chips(archive: CommandLine) -> int:
    return int(archive.json("info")["entries"]["chip"])


def test_a_switch_that_stood_still_while_a_writer_went_on_leaves_its_write_live(
    archive: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    make(archive, images)
    write_image(images / "new.png", COLOURS["red"], seed=5)
    move = Generations.move

    def move_too_late(*args: Any) -> None:
        monkeypatch.setattr(Generations, "move", move)
        with found_dead():
            archive("index", images)
        move(*args)

    monkeypatch.setattr(Generations, "move", move_too_late)
    with Archive(archive.home, threads=1) as switching, pytest.raises(ConflictError):
        switching.switch_generation("g2")
    assert archive.json("info")["generation"] == "g1"
    assert chips(archive) == 25
    archive("generation", "switch", "g2")
    assert chips(archive) == 25
    assert archive.json("index", images)["unchanged"] == 25
    assert archive.json("audit")["clean"]


def test_a_switch_whose_answer_was_lost_is_done_and_so_is_a_rollback(
    archive: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    make(archive, images)
    with Archive(archive.home, threads=1) as switching:
        ledger = switching.engine.ledger
        write = type(ledger).write
        lost: list[str] = []

        def write_and_lose_the_answer(
            ledger: Any, name: str, value: Mapping[str, Any], version: Any
        ) -> Any:
            before = ledger.read(name)
            written = write(ledger, name, value, version)
            if name == "live" and before.value != value:
                lost.append(value["generation"])
                return write(ledger, name, value, version)  # as a client does that heard nothing
            return written

        monkeypatch.setattr(type(ledger), "write", write_and_lose_the_answer)
        for before, after in (("g1", "g2"), ("g2", "g1")):
            assert switching.switch_generation(after) == before
            assert switching.generations.live_name() == after
            assert Log(ledger, before).head().closed_for == after
            assert Log(ledger, after).head().closed_for is None
        assert lost == ["g2", "g1"]
    write_image(images / "new.png", COLOURS["red"], seed=5)
    assert archive.json("index", images)["indexed"] == 1
    assert chips(archive) == 25
    assert archive.json("audit")["clean"]


def test_a_switch_that_stood_still_before_it_closed_the_log_moves_nothing_either(
    archive: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    make(archive, images)
    archive("generation", "switch", "g2")
    make(archive, images, seed=2)
    write_image(images / "new.png", COLOURS["red"], seed=5)
    finish = Changeover._finish

    def finish_after_a_rollback(*args: Any) -> None:
        monkeypatch.setattr(Changeover, "_finish", finish)
        with found_dead():
            archive("generation", "rollback")
            archive("index", images)
        finish(*args)

    monkeypatch.setattr(Changeover, "_finish", finish_after_a_rollback)
    with Archive(archive.home, threads=1) as switching, pytest.raises(ConflictError):
        switching.switch_generation("g3")
    assert archive.json("info")["generation"] == "g1"
    assert chips(archive) == 25
    assert archive.json("audit")["clean"]


def test_a_drop_that_stood_still_while_another_switched_to_it_removes_nothing(
    archive: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(archive, tmp_path / "images")
    keep_hold = Generations.keep_hold

    def keep_hold_too_late(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(Generations, "keep_hold", keep_hold)
        with found_dead():
            archive("generation", "switch", "g2")
        return keep_hold(*args, **options)

    monkeypatch.setattr(Generations, "keep_hold", keep_hold_too_late)
    with Archive(archive.home, threads=1) as dropping, pytest.raises(LostError, match="run the"):
        dropping.drop_generation("g2")
    assert archive.json("info")["generation"] == "g2"
    assert chips(archive) == 24
    assert archive.json("audit")["clean"]
