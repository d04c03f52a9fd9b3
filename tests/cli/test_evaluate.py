"""Evaluation: its figures on a gallery that is small enough to think through."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command_line import COLOURS, CommandLine, write_image

WAYS = {"text_to_image", "image_to_text"}


@pytest.fixture
def captions(images: Path) -> Path:
    return images / "captions.jsonl"


def snapshot(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def check_shape(report: dict[str, Any]) -> None:
    assert report.keys() == {"gallery", "dense", "sparse", "sgpd"}
    assert report["gallery"].keys() == {"images", "captions"}
    for arm in ("dense", "sparse", "sgpd"):
        more = {"recall_at_10", "scanned"} if arm == "sgpd" else set()
        assert report[arm].keys() == WAYS | {"mean_recall"} | more
        cuts = [report[arm][way][r] for way in WAYS for r in ("r1", "r5", "r10")]
        assert all(0 <= cut <= 100 for cut in cuts)
        assert report[arm]["mean_recall"] == pytest.approx(sum(cuts) / 6)


def test_the_report_has_the_promised_shape_and_the_home_stays_as_it_is(
    indexed: CommandLine, images: Path, captions: Path
) -> None:
    before = snapshot(indexed.home)
    arguments = ("evaluate", images, "--captions", captions, "--split", "val")
    report = indexed.json(*arguments)
    check_shape(report)
    assert report["gallery"] == {"images": 9, "captions": 18}
    assert snapshot(indexed.home) == before
    assert (
        "9 images" in indexed("evaluate", images, "--captions", captions, "--split", "val").stdout
    )


def test_scanning_everything_is_dense_retrieval(
    fitted: CommandLine, images: Path, captions: Path
) -> None:
    arguments = ("evaluate", images, "--captions", captions, "--strategy", "exhaustive")
    report = fitted.json(*arguments)
    assert report["gallery"] == {"images": 24, "captions": 48}
    for way in WAYS:
        assert report["sgpd"][way] == report["dense"][way]
        assert report["sgpd"]["recall_at_10"][way] == 1
        assert report["sgpd"]["scanned"][way] == 1


def test_a_guided_search_that_opens_little_scores_less(
    fitted: CommandLine, images: Path, captions: Path
) -> None:
    report = fitted.json(
        "evaluate", images, "--captions", captions, "--strategy", "guided", "--recall", "0.95"
    )
    check_shape(report)
    for way in WAYS:
        assert report["sgpd"]["recall_at_10"][way] > 0.5
        assert report["sgpd"]["scanned"][way] > 0


def test_an_evaluation_may_be_calibrated_first(
    fitted: CommandLine, images: Path, captions: Path, tmp_path: Path
) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"text": "a red field"}\n{"text": "a blue field"}\n')
    arguments = ("evaluate", images, "--captions", captions, "--queries", queries)
    report = fitted.json(*arguments)
    assert report["sgpd"]["recall_at_10"]["text_to_image"] == 1  # too few: everything is scanned
    queries.write_text("no queries\n")
    assert "line 1: not JSON" in fitted(*arguments, code=1).stderr


def test_distractors_enlarge_the_gallery_of_images_alone(
    fitted: CommandLine, images: Path, captions: Path, tmp_path: Path
) -> None:
    for number in range(5):
        write_image(tmp_path / "more" / f"{number}.png", COLOURS["green"], seed=100 + number)
    beside = '{"image": "0.png", "captions": ["a green field"]}'
    (tmp_path / "more" / "captions.jsonl").write_text(beside)
    arguments = ("evaluate", images, "--captions", captions, "--split", "val")
    alone = fitted.json(*arguments)
    report = fitted.json(*arguments, "--distractors", tmp_path / "more")
    assert report["gallery"] == {"images": 14, "captions": 18}
    assert report["dense"]["image_to_text"] == alone["dense"]["image_to_text"]


def test_run_files_and_qrels_give_the_same_figures(
    fitted: CommandLine, images: Path, captions: Path, tmp_path: Path
) -> None:
    arguments = ("evaluate", images, "--captions", captions, "--split", "val")
    report = fitted.json(*arguments, "--runs", tmp_path / "runs")
    for arm in ("dense", "sparse", "sgpd"):
        for way in WAYS:
            judged = set()
            for line in (tmp_path / "runs" / f"{way}.qrels").read_text().splitlines():
                query, _, document, _ = line.split()
                judged.add((query, document))
            queries, found = {query for query, _ in judged}, set()
            for line in (tmp_path / "runs" / f"{arm}.{way}.run").read_text().splitlines():
                query, _, document, rank, _, tag = line.split()
                assert tag == arm
                if int(rank) <= 5 and (query, document) in judged:
                    found.add(query)
            assert report[arm][way]["r5"] == pytest.approx(100 * len(found) / len(queries))


def test_karpathy_captions_give_the_same_report(
    fitted: CommandLine, images: Path, captions: Path, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in captions.read_text().splitlines()]
    karpathy = {
        "images": [
            {
                "filepath": line["image"].split("/")[0],
                "filename": line["image"].split("/")[1],
                "split": line["split"],
                "sentences": [{"raw": caption} for caption in line["captions"]],
            }
            for line in lines
        ]
    }
    (tmp_path / "dataset.json").write_text(json.dumps(karpathy))
    tail = ("--split", "val")
    first = fitted.json("evaluate", images, "--captions", captions, *tail)
    assert fitted.json("evaluate", images, "--captions", "dataset.json", *tail) == first


def test_captions_beside_the_images_are_found(
    fitted: CommandLine, images: Path, captions: Path
) -> None:
    tail = ("--split", "val")
    given = fitted.json("evaluate", images, "--captions", captions, *tail)
    assert fitted.json("evaluate", images, *tail) == given


def test_what_cannot_be_evaluated_is_named(
    fitted: CommandLine, images: Path, captions: Path, tmp_path: Path
) -> None:
    line = fitted.refused("evaluate", images, "--captions", captions, "--split", "test")
    assert "train, val" in line
    write_image(tmp_path / "other" / "x.png", COLOURS["red"], seed=1)
    line = fitted.refused("evaluate", "other")
    assert "other holds no captions.jsonl; give --captions FILE" in line
    assert "no such folder" in fitted.refused("evaluate", "nowhere")
    assert "none of the 24 images" in fitted.refused("evaluate", "other", "--captions", captions)
    assert "absent" in fitted.refused("evaluate", images, "--captions", "absent.jsonl")
