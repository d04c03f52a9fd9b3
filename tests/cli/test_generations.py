"""A generation is made beside the live one, takes its place and gives it back; all goes on."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree, rmtree
from typing import Any

import pytest

from indexer.delete import delete
from scenesift.archive import Archive
from scenesift.errors import DroppedError
from scenesift.generations import Generations
from scenestore.filters import ANY
from scenestore.log import Log
from sgpd.fit import FitSettings
from tests.cli.command_line import COLOURS, CommandLine, python, write_image

MAIN = "from scenesift.cli import main; main()"
SEARCH = ("search", "a red field", "-k", 5)
FIT = ("--prototypes", 6, "--cells", 2, "--seed", 1)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Path:
    """The small model with other weights."""
    import torch
    from transformers import CLIPModel

    folder = tmp_path_factory.mktemp("other") / "model"
    copytree(model, folder)
    other = CLIPModel.from_pretrained(model)
    torch.manual_seed(3)
    with torch.no_grad():
        for weights in other.parameters():
            weights.add_(0.02 * torch.randn_like(weights))
    other.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory, other_model: Path, images: Path) -> Path:
    """A bundle that was fitted for the other model, elsewhere."""
    home = tmp_path_factory.mktemp("elsewhere") / "home"
    with Archive(home, model=str(other_model), threads=1) as archive:
        bundle = archive.fit(images, settings=FitSettings(cells=4, prototypes=12))
    return home / "bundles" / bundle.digest


def states(archive: CommandLine) -> dict[str, str]:
    found = archive.json("generation", "list")["generations"]
    return {one["name"]: one["state"] for one in found}


def ids(answer: Any) -> list[str]:
    return [hit["id"] for hit in answer["hits"]]


def test_a_generation_is_made_switched_to_left_and_dropped(
    archive: CommandLine, tmp_path: Path
) -> None:
    before = archive.json(*SEARCH)
    old = archive.json("info")["bundle"]
    (first,) = archive.json("generation", "list")["generations"]
    assert (first["name"], first["state"], first["bundle"]) == ("g1", "live", old)
    assert first["entries"] == {"chip": 24, "caption": 48}
    assert first["batches"] == 1
    assert first["bytes"] > 10_000
    assert "has that bundle already" in archive.refused("generation", "create")
    new = archive.json("fit", tmp_path / "images", *FIT)["bundle"]
    assert archive.json("generation", "create")["created"] == "g2"
    assert states(archive) == {"g1": "live", "g2": "ready"}
    assert archive.json("info")["bundle"] == old
    assert archive.json("generation", "switch", "g2")["before"] == "g1"
    assert states(archive) == {"g1": "previous", "g2": "live"}
    assert archive.json("info")["bundle"] == new
    assert ids(archive.json(*SEARCH)) == ids(before)
    assert archive.json("audit")["clean"]
    assert archive.json("generation", "rollback")["live"] == "g1"
    assert states(archive) == {"g1": "live", "g2": "previous"}
    assert archive.json(*SEARCH)["hits"] == before["hits"]
    assert "g1 is live and stays" in archive.refused("generation", "drop", "g1")
    assert "no generation g7; there are: g1, g2" in archive.refused("generation", "drop", "g7")
    archive("generation", "drop", "g2")
    assert states(archive) == {"g1": "live"}
    assert archive.json("audit")["clean"]
    assert "no previous generation" in archive.refused("generation", "rollback")
    shown = archive("generation", "list").stdout
    assert old[:16] in shown
    assert "live" in shown


def test_what_is_written_meanwhile_is_in_the_new_one_and_after_going_back_in_the_old(
    archive: CommandLine, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    archive("fit", images, *FIT)
    archive("generation", "create")
    write_image(images / "new.png", COLOURS["red"], seed=77)
    (images / "red/red0.png").unlink()
    archive("index", images)
    archive("delete", "blue/blue1.png")
    archive("generation", "switch", "g2")
    assert archive.json("info")["entries"] == {"chip": 23, "caption": 44}
    assert ids(archive.json("search", "--image", images / "new.png", "-k", 1))
    assert archive.json("index", images)["unchanged"] == 23
    assert archive.json("audit")["clean"]
    write_image(images / "newer.png", COLOURS["blue"], seed=78)
    archive("index", images)
    archive("generation", "rollback")
    assert archive.json("info")["entries"] == {"chip": 24, "caption": 44}
    assert archive.json("index", images)["unchanged"] == 24
    assert archive.json("audit")["clean"]


def test_another_model_takes_over_from_the_images_and_searches_need_no_new_setting(
    archive: CommandLine,
    other_model: Path,
    other_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = tmp_path / "images"
    archive("delete", "red/red1.png")
    refused = archive.refused("generation", "create", "--model", other_model)
    assert "no bundle is known for encoder" in refused
    created = archive.json("generation", "create", "--model", other_model, "--bundle", other_bundle)
    assert [one["model"] for one in created["generations"]][1] == str(other_model)
    with Archive(archive.home) as searching:
        before = searching.search("a red field", k=5)
        archive("generation", "switch", "g2")
        assert searching.search("a red field", k=5).generation == before.generation == "g1"
        monkeypatch.setattr("scenestore.shared.FOLLOW_SECONDS", 0)  # they are over
        after = searching.search("a red field", k=5)
        assert after.generation == "g2"
        assert [hit.score for hit in after.hits] != [hit.score for hit in before.hits]
        # The hits of both can still be shown.
        assert searching.results(before, thumbnails=True)[0].thumbnail
        assert searching.results(after, thumbnails=True)[0].thumbnail
    found = archive.json("search", "--image", images / "red/red3.png", "-k", 1)["hits"]
    assert found[0]["scene"] == "red/red3.png"
    assert archive.json("index", images)["unchanged"] == 23
    write_image(images / "new.png", COLOURS["red"], seed=77)
    assert archive.json("index", images)["indexed"] == 1
    archive("generation", "rollback")
    assert (
        archive.json("search", "--image", images / "new.png", "-k", 1)["hits"][0]["scene"]
        == "new.png"
    )
    assert archive.json("audit")["clean"]


def test_a_switch_between_generations_of_other_scenes_is_refused(
    archive: CommandLine, tmp_path: Path
) -> None:
    archive("fit", tmp_path / "images", *FIT)
    archive("generation", "create")
    with Archive(archive.home) as opened:
        changing = opened.generations.open("g2")
        delete(changing, opened.engine.ledger, ["red/red0.png", "red/red1.png"])
        changing.documents.close()
    line = archive.refused("generation", "switch", "g2")
    assert "g1 has 2 scenes that g2 has not (default/red/red0.png, default/red/red1.png)" in line
    assert "nothing was switched" in line
    assert states(archive)["g1"] == "live"
    assert archive.json("index", tmp_path / "images")["unchanged"] == 24
    write_image(tmp_path / "images/new.png", COLOURS["red"], seed=5)
    assert archive.json("index", tmp_path / "images")["indexed"] == 1


def test_writers_lose_nothing_to_a_switch_that_comes_in_between(
    archive: CommandLine, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    archive("fit", images, *FIT)
    archive("generation", "create")
    failures: list[BaseException] = []
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(12):
                write_image(images / f"late{number}.png", COLOURS["green"], seed=200 + number)
                with Archive(archive.home, threads=1) as writing:
                    writing.index(images)
                    writing.delete([f"late{number}.png"] if number % 3 == 0 else [])
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    switches = 0
    while not done.is_set():
        name = ("g2", "g1")[switches % 2]
        with Archive(archive.home, threads=1) as switching:
            switching.switch_generation(name)
        switches += 1
    writer.join()
    assert failures == []
    assert switches > 1
    assert archive.json("info")["entries"]["chip"] == 24 + 8
    assert archive.json("audit")["clean"]
    assert archive.json("index", images)["unchanged"] == 24 + 8


def test_a_write_that_meets_a_switch_goes_to_the_new_generation(
    archive: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    archive("fit", images, *FIT)
    archive("generation", "create")
    append = Log.append
    switched: list[str] = []

    def append_after_a_switch(log: Log, batch: Any) -> Any:
        if log.generation == "g1" and not switched:
            switched.append("g2")
            with Archive(archive.home, threads=1) as switching:
                switching.switch_generation("g2")
        return append(log, batch)

    write_image(images / "new.png", COLOURS["red"], seed=5)
    with monkeypatch.context() as patched:
        patched.setattr(Log, "append", append_after_a_switch)
        archive("index", images)
    assert states(archive)["g2"] == "live"
    assert archive.json("info")["entries"]["chip"] == 25
    assert archive.json("audit")["clean"]


def test_a_log_that_a_dead_switch_left_closed_is_opened_by_the_next_writer(
    archive: CommandLine, tmp_path: Path
) -> None:
    with Archive(archive.home) as opened:
        opened.generation.log.close("g2")
    write_image(tmp_path / "images/new.png", COLOURS["red"], seed=5)
    summary = archive.json("index", tmp_path / "images")
    assert summary["indexed"] + summary["resumed"] == 1
    assert archive.json("info")["entries"]["chip"] == 25


def test_searches_during_a_switch_and_a_rollback_end_on_the_generation_they_began_on(
    archive: CommandLine, tmp_path: Path
) -> None:
    archive("fit", tmp_path / "images", *FIT)
    archive("generation", "create")
    with Archive(archive.home, threads=1) as searching:
        bundles = {
            name: Generations(searching.home, searching.engine).open(name) for name in ("g1", "g2")
        }
        keys = {
            name: {key for key, _ in generation.documents.live("chip")}
            for name, generation in bundles.items()
        }
        for generation in bundles.values():
            generation.documents.close()
        assert not keys["g1"] & keys["g2"]
        searching.search("a red field")
        stop = threading.Event()

        def search(number: int) -> set[str]:
            way = ("guided", "exhaustive")[number % 2]
            seen: set[str] = set()
            while not stop.is_set() or not seen:
                answer = searching.search("a red field", k=5, strategy=way, explain=True)  # type: ignore[arg-type]
                assert len(answer.hits) == 5
                assert {hit.key for hit in answer.hits} <= keys[answer.generation]
                assert len(searching.results(answer, thumbnails=True)) == 5
                seen.add(answer.generation)
                counted[number] += 1
            return seen

        counted = [0] * 4
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(search, number) for number in range(4)]
            with Archive(archive.home, threads=1) as switching:
                switching.switch_generation("g2")
                _wait(lambda: searching.generation.log.generation == "g2")
                switching.rollback_generation()
                _wait(lambda: searching.generation.log.generation == "g1")
            _wait(lambda: sum(counted) >= 200)
            stop.set()
            assert set().union(*(one.result() for one in asked)) == {"g1", "g2"}


def _wait(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_search_on_a_generation_that_is_dropped_says_so(
    archive: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive("fit", tmp_path / "images", *FIT)
    archive("generation", "create")
    with Archive(archive.home, threads=1) as searching:
        before = searching.search("a red field")

        def search_while_it_is_dropped() -> None:
            with searching.pins.held("g1") as pin:
                archive("generation", "switch", "g2")
                archive("generation", "drop", "g1")
                pin.generation.documents.count("chip", ANY)

        with pytest.raises(DroppedError, match="generation g1 was dropped while it was searched"):
            search_while_it_is_dropped()
        monkeypatch.setattr("scenestore.shared.FOLLOW_SECONDS", 0)  # they are over
        with pytest.raises(DroppedError):
            searching.results(before)
        assert searching.search("a red field").generation == "g2"


def test_a_creation_that_was_killed_goes_on(
    archive: CommandLine, other_model: Path, other_bundle: Path, tmp_path: Path
) -> None:
    for number in range(3):  # a batch each
        write_image(tmp_path / f"images/more{number}.png", COLOURS["red"], seed=90 + number)
        archive("index", tmp_path / "images")
    command = ("generation", "create", "--model", other_model, "--bundle", other_bundle)
    dying = (
        "import os, signal; from scenestore.log import Log; append = Log.append\n"
        "def die(log, batch):\n"
        "    if batch.plan == 'g1-3': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return append(log, batch)\n"
        "Log.append = die\n"
    )
    with python(dying + MAIN, *command, "--home", archive.home) as process:
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors
    assert states(archive) == {"g1": "live", "g2": "building"}
    assert "g2 is not whole" in archive.refused("generation", "switch", "g2")
    with Archive(archive.home) as opened:
        made = {batch.ordinal for batch in Log(opened.engine.ledger, "g2").batches()}
    assert len(made) == 2
    archive(*command)
    with Archive(archive.home) as opened:
        assert made < {batch.ordinal for batch in Log(opened.engine.ledger, "g2").batches()}
    archive("generation", "switch", "g2")
    assert archive.json("info")["entries"]["chip"] == 27
    assert archive.json("audit")["clean"]


def test_one_change_at_a_time_while_others_write(archive: CommandLine, tmp_path: Path) -> None:
    with Archive(archive.home) as changing, changing.generations.changing():
        write_image(tmp_path / "images/new.png", COLOURS["red"], seed=5)
        assert archive.json("index", tmp_path / "images")["indexed"] == 1
        line = archive.refused("generation", "drop", "g1")
        assert "is changing its generations; wait until it ends" in line


def test_after_a_lost_ledger_the_generation_that_was_live_is_restored(
    indexed: CommandLine, images: Path
) -> None:
    indexed("fit", images, *FIT)
    indexed("generation", "create")
    indexed("generation", "switch", "g2")
    indexed("generation", "rollback")
    before = indexed.json(*SEARCH)["hits"]
    rmtree(indexed.home / "embedded")
    indexed("rebuild")
    assert indexed.json("info")["generation"] == "g1"
    assert indexed.json(*SEARCH)["hits"] == before
    assert states(indexed) == {"g1": "live"}


def test_a_generation_that_is_in_the_way_is_named(
    indexed: CommandLine, images: Path, other_model: Path, other_bundle: Path
) -> None:
    indexed("fit", images, *FIT)
    indexed("generation", "create")
    command = ("generation", "create", "--model", other_model, "--bundle", other_bundle)
    assert "generation drop g2` first" in indexed.refused(*command)
    indexed("generation", "drop", "g2")
    assert indexed.json(*command)["created"] == "g2"


def test_a_third_generation_takes_the_place_of_the_first(
    indexed: CommandLine, images: Path
) -> None:
    for seed in (1, 2):
        indexed("fit", images, "--prototypes", 6, "--cells", 2, "--seed", seed)
        indexed("generation", "create")
        indexed("generation", "switch", f"g{seed + 1}")
    assert states(indexed) == {"g2": "previous", "g3": "live"}
    assert indexed.json("audit")["clean"]
