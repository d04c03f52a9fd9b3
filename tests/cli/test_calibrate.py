"""`scenesift calibrate`: what is promised, what is not, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest

from tests.cli.command_line import CommandLine


@pytest.fixture
def queries(tmp_path: Path, images: Path) -> Path:
    lines = [{"text": f"a red field number {i}", "kind": "red"} for i in range(40)]
    lines += [
        {"image": str(images / f"blue/blue{i}.png"), "scene": f"blue/blue{i}.png"} for i in range(8)
    ]
    file = tmp_path / "queries.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_too_few_queries_are_said_and_everything_is_scanned(
    indexed: CommandLine, queries: Path
) -> None:
    shown = indexed("calibrate", "--queries", queries)
    assert "text to image" in shown.stdout
    assert "1 (all scanned)" in shown.stdout
    assert "1,000 are needed (text_to_image 24, image_to_image 6, " in shown.stderr
    answer = indexed.json("search", "a red field", "--explain")
    assert answer["strategy"] == "exhaustive"
    assert answer["expected_recall"] == 1.0
    assert "too few for a promise" in answer["reason"]


def test_without_a_file_the_archive_asks_itself(indexed: CommandLine) -> None:
    made = indexed.json("calibrate", "--target", 0.9)
    directions = {promise["case"]["direction"] for promise in made["promises"]}
    assert directions == {"image_to_image", "text_to_image", "image_to_text", "text_to_text"}
    assert {promise["case"]["target"] for promise in made["promises"]} == {0.9}
    assert made["entries"] == {"chip": 24, "caption": 48}
    assert all(cost > 0 for cost in made["costs"]["chip"].values() if cost)


def test_filters_are_shown_by_kind(
    fitted: CommandLine, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of so few images nothing is promised, which the table says of each kind that they have."""
    monkeypatch.setattr("indexer.calibration.job.EXACT_MATCHES", 5)
    folder = tmp_path / "dated"
    copytree(images, folder)
    names = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.png"))
    with (folder / "captions.jsonl").open("w") as file:
        for i, name in enumerate(names):
            known = {"datetime": f"2024-01-{i + 1:02}", "properties": {"pass": "ab"[i % 2]}}
            file.write(json.dumps({"image": name, "captions": [], **known}) + "\n")
    fitted("index", folder)
    shown = fitted("calibrate").stdout
    assert "under filters, by kind of filter" in shown
    rows = [line.split() for line in shown.splitlines() if "none" in line]
    assert {"time", "property", "several"} >= {row[3] for row in rows} >= {"time", "property"}
    promises = fitted.json("calibrate")["promises"]
    assert {"", "time", "property"} <= {promise["case"]["filter"] for promise in promises}


def test_info_knows_the_calibration(indexed: CommandLine) -> None:
    assert indexed.json("info")["calibration"] == "none; run `scenesift calibrate`"
    indexed("calibrate", "--json")
    known = indexed.json("info")["calibration"]
    assert known["growth"] == {"chip": 1.0, "caption": 1.0}
    assert known["shift"] == {"chip": 0.0, "caption": 0.0}
    (doubt,) = known["doubts"]
    assert "too few queries for a promise" in doubt
    assert "calibration made" in indexed("info").stdout


def test_sampled_searches_are_measured_again(
    indexed: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENESIFT_SEARCH_SAMPLE", "1")
    assert "SCENESIFT_SEARCH_SAMPLE" in indexed("calibrate", "--replay").stderr
    assert "not measured" in indexed.json("info")["live_searches"]
    for _ in range(30):
        indexed("search", "a red field", "--strategy", "guided")
    (found,) = indexed.json("calibrate", "--replay")["searches"]
    assert found["searches"] == 30
    assert found["kept"]
    known = indexed.json("info")["live_searches"]
    assert known["recall"] == {"text_to_image 10 0.99": found["recall"]}
    assert "live searches measured" in indexed("info").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--target", 1.5), "target 1.5 is not above 0 and below 1"),
        (("--target", "nan"), "target nan is not"),
        (("--queries", "gone.jsonl"), "gone.jsonl: cannot be read"),
    ],
)
def test_what_cannot_be_calibrated_is_said_in_a_line(
    indexed: CommandLine, options: tuple[object, ...], said: str
) -> None:
    assert said in indexed.refused("calibrate", *options)


def test_an_empty_home_says_what_to_run(run: CommandLine) -> None:
    assert "scenesift index" in run.refused("calibrate")


@pytest.mark.parametrize("recall", ["0", "1", "most", "nan"])
def test_a_recall_that_is_none_is_refused(indexed: CommandLine, recall: str) -> None:
    indexed("search", "a red field", "--recall", recall, code=2)


def test_any_recall_may_be_asked_for(indexed: CommandLine) -> None:
    assert indexed.json("search", "a red field", "--recall", "0.9")["recall"] == "0.9"
