"""Bad input: one line that says what, where and what to do, and an exit code that tells."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scenesift.home import Home
from tests.cli.command_line import COLOURS, CommandLine, write_image
from tests.vectors import clustered


@pytest.mark.parametrize("k", [0, -3])
def test_k_below_one_is_refused(indexed: CommandLine, k: int) -> None:
    assert "at least 1" in indexed.refused("search", "a field", "-k", k, code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["search"],
        ["search", " "],
        ["search", "a field", "--like", "red/red0.png"],
        ["search", "a field", "--kind", "scene"],
        ["search", "a field", "-k", "many"],
        ["index"],
        ["fit"],
        ["fit", "images", "--embeddings", "vectors.npy"],
        ["evaluate"],
        ["delete"],
        ["info", "--no-such-option"],
        ["no-such-command"],
    ],
)
def test_wrong_usage_exits_with_two(indexed: CommandLine, arguments: list[str]) -> None:
    indexed.refused(*arguments, code=2)


def test_with_json_an_error_is_json_too(indexed: CommandLine) -> None:
    result = indexed("search", "a field", "-k", 0, "--json", code=2)
    error = json.loads(result.stderr)
    assert error["exit_code"] == 2
    assert "at least 1" in error["error"]
    assert result.stdout == ""


def test_nothing_is_like_an_unknown_entry(indexed: CommandLine) -> None:
    assert "'nowhere'" in indexed.refused("search", "--like", "nowhere", code=2)


@pytest.mark.parametrize("command", [["search", "a field"], ["explain", "red/red0.png"]])
def test_an_unknown_collection_is_named_with_those_that_are(
    indexed: CommandLine, command: list[str]
) -> None:
    line = indexed.refused(*command, "--collection", "default", "--collection", "nope", code=2)
    assert "there is no collection nope; there are: default" in line


def test_a_query_image_that_is_none_is_named(indexed: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no pixels")
    assert "notes.jpg" in indexed.refused("search", "--image", "notes.jpg")
    assert "absent.jpg" in indexed.refused("search", "--image", "absent.jpg")


def test_nothing_that_is_not_there_is_deleted(indexed: CommandLine) -> None:
    assert "'nowhere'" in indexed.refused("delete", "red/red0.png", "nowhere")
    assert indexed.json("info")["entries"]["chip"] == 24


def test_bad_images_get_an_outcome_and_the_run_says_so(fitted: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    good = write_image(folder / "good.png", COLOURS["red"], seed=1)
    (folder / "truncated.png").write_bytes(good.read_bytes()[:600])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no pixels")
    Image.fromarray(np.full((40, 40), 7_000, np.uint16)).save(folder / "deep.png")
    Image.new("CMYK", (40, 40)).save(folder / "print.jpg")
    result = fitted("index", folder, code=3)
    for name in ("truncated.png", "empty.jpg", "text.jpg"):
        assert f"failed: {name}: " in result.stderr
    info = fitted.json("info")
    assert info["scenes"] == {"indexed": 3, "skipped": 0, "failed": 3}
    assert fitted.json("index", folder)["settled"] == 3
    said = fitted("index", folder).stdout
    assert "3 left as they were after an earlier failure (try again: --retry-failed)" in said
    assert fitted.json("index", folder, "--retry-failed", code=3)["failed"] == 3


@pytest.mark.parametrize("content", ["{", '["a"]', '{"captions": []}', "\udcff"])
def test_bad_captions_are_named_with_their_line(
    fitted: CommandLine, images: Path, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "bad.jsonl"
    good = '{"image": "red/red0.png", "captions": ["a red field"]}\n'
    file.write_bytes((good + content).encode("utf-8", "surrogateescape"))
    line = fitted.refused("index", images, "--captions", file)
    assert "bad.jsonl: line 2" in line


def test_bad_metadata_fails_its_image_only_until_it_is_mended(
    fitted: CommandLine, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    write_image(folder / "good.png", COLOURS["red"], seed=1)
    write_image(folder / "odd.png", COLOURS["red"], seed=2)
    lines = ['{"image": "good.png"}', '{"image": "odd.png", "properties": {"sun": NaN}}']
    (folder / "captions.jsonl").write_text("\n".join(lines))
    said = fitted("index", folder, code=3).stderr
    assert "failed: odd.png: " in said
    assert "captions.jsonl: line 2: properties: 'sun' is nan" in said
    assert fitted.json("info")["scenes"] == {"indexed": 1, "skipped": 0, "failed": 1}
    (folder / "captions.jsonl").write_text("\n".join(lines).replace("NaN", "33.5"))
    assert fitted.json("index", folder)["updated"] == 1


def test_captions_without_their_image_are_noted(
    fitted: CommandLine, images: Path, tmp_path: Path
) -> None:
    file = tmp_path / "captions.jsonl"
    file.write_text('{"image": "absent.png", "captions": ["a field"]}\n')
    assert "absent.png" in fitted("index", images, "--captions", file).stderr


def test_an_empty_folder_and_a_tar_are_refused(fitted: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "images.tar").touch()
    assert "no images" in fitted.refused("index", "empty")
    assert "extract it first" in fitted.refused("index", "images.tar")


def test_a_home_without_a_bundle_for_the_model_says_which_is_which(
    fitted: CommandLine, model: Path, images: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other-model"
    other.mkdir()
    for file in model.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "logit_scale_init_value": 2.0}))
    line = fitted.refused("index", images, "--model", other)
    assert line.count("transformers:clip:") == 2


def test_a_model_that_is_not_there_is_named(fitted: CommandLine, images: Path) -> None:
    assert "no-such-model" in fitted.refused("index", images, "--model", "no-such-model")


def test_a_bundle_edited_by_hand_is_refused(indexed: CommandLine) -> None:
    digest = Home(indexed.home).bundle_digest
    assert digest is not None
    lexicon = indexed.home / "bundles" / digest / "chip/lexicon.json"
    lexicon.write_text(lexicon.read_text().upper())
    assert "lexicon.json" in indexed.refused("search", "a field")


def test_a_batch_edited_by_hand_is_found(indexed: CommandLine) -> None:
    (batch,) = (indexed.home / "batches/g1").glob("0*")
    thumbnails = batch / "thumbnails.bin"
    content = bytearray(thumbnails.read_bytes())
    content[100] ^= 1
    thumbnails.write_bytes(content)
    report = indexed.json("audit", code=1)
    assert [finding["fault"] for finding in report["findings"]] == ["batch folders damaged"]
    assert "thumbnails.bin" in indexed.refused("rebuild")


@pytest.mark.parametrize("name", ["vectors.ivf", "keys.npy", "postings.rows.npy"])
def test_a_file_that_is_gone_from_a_batch_is_named(indexed: CommandLine, name: str) -> None:
    (file,) = (indexed.home / "batches/g1").glob(f"0*/chip/{name}")
    file.unlink()
    line = indexed.refused("search", "a field", "--strategy", "guided")
    assert f"chip/{name} is missing; run `scenesift audit`" in line
    report = indexed.json("audit", code=1)
    assert f"chip/{name} is missing" in report["findings"][0]["examples"][0]


def test_lists_cut_short_are_named_without_the_words_of_faiss(indexed: CommandLine) -> None:
    (file,) = (indexed.home / "batches/g1").glob("0*/chip/vectors.ivf")
    file.write_bytes(file.read_bytes()[:40])
    line = indexed.refused("search", "a field")
    assert "vectors.ivf cannot be read" in line
    assert "faiss" not in line


def test_a_lost_index_file_is_made_again_by_rebuild(indexed: CommandLine) -> None:
    (indexed.home / "embedded/g1.sqlite").unlink()
    for command in (["search", "a field"], ["audit"]):
        line = indexed.refused(*command)
        assert "g1.sqlite" in line
        assert line.endswith("run `scenesift rebuild`")
    indexed("rebuild")
    assert len(indexed.json("search", "a field", "-k", 24)["hits"]) == 24


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.parquet"])
def test_embeddings_that_are_none_are_refused(run: CommandLine, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("no numbers")
    assert name in run.refused("fit", "--embeddings", name)
    assert "absent.npy" in run.refused("fit", "--embeddings", "absent.npy")


ONE_GIANT = np.concatenate([1 + 0.01 * clustered(300, dimension=8), 2 * clustered(20, dimension=8)])
"""Vectors nearly all of which are of one cell."""


def with_row(value: float) -> NDArray[np.float32]:
    """Twenty good rows but for the fourth."""
    x = clustered(20)
    x[3] = value
    return x


@pytest.mark.parametrize(
    ("vectors", "more", "message"),
    [
        (with_row(np.nan), (), "bad.npy: row 3 is NaN"),
        (with_row(np.inf), (), "bad.npy: row 3 is NaN or infinite"),
        (with_row(0), (), "bad.npy: row 3 is all zeros"),
        (np.zeros(8), (), r"shape \[8\]"),
        (np.empty((0, 8)), (), "no embeddings"),
        (clustered(20), ("--cells", 30), "30 cells asked for, but only 20 different"),
        (np.eye(8)[np.zeros(50, int)], ("--cells", 2), "only 1 different"),
        (clustered(20), ("--sparsifier", "caption-words"), "needs captions"),
        (clustered(20), ("--captions", "captions.jsonl"), "not --embeddings"),
    ],
)
def test_embeddings_that_cannot_be_fitted_are_refused_in_a_line(
    run: CommandLine,
    tmp_path: Path,
    vectors: NDArray[np.float32],
    more: tuple[object, ...],
    message: str,
) -> None:
    np.save(tmp_path / "bad.npy", vectors)
    arguments = ("fit", "--embeddings", "bad.npy", "--encoder", "mine", *more)
    code = 2 if "--captions" in more else 1
    assert re.search(message, run.refused(*arguments, code=code))


def test_embeddings_of_another_dimension_than_the_models_are_refused(
    run: CommandLine, indexed: CommandLine, tmp_path: Path
) -> None:
    np.save(tmp_path / "wide.npy", clustered(20))
    line = indexed.refused("fit", "--embeddings", "wide.npy")
    assert "32 dimensions, 16 expected" in line


@pytest.mark.parametrize(
    ("vectors", "note"),
    [
        (5 * clustered(200), "200 of 200 rows brought to unit length"),
        (np.ones((3_000, 8)), "only 1 of 3,000 vectors differ"),
        (ONE_GIANT, "320 of 320 rows brought to unit length"),
        (clustered(3)[np.arange(3_000) % 3], "only 3 of 3,000 vectors differ"),
    ],
)
def test_odd_embeddings_are_fitted_and_said_to_be_odd(
    run: CommandLine, tmp_path: Path, vectors: NDArray[np.float32], note: str
) -> None:
    np.save(tmp_path / "odd.npy", vectors)
    result = run("fit", "--embeddings", "odd.npy", "--encoder", "mine")
    assert note in result.stderr


def test_an_autoencoder_is_fitted_on_embeddings_alone(run: CommandLine, tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", clustered(200))
    arguments = ("--embeddings", "vectors.npy", "--encoder", "mine", "--prototypes", 24)
    facts = run.json("fit", *arguments, "--sparsifier", "autoencoder")
    assert facts["sparsifier"] == "autoencoder"
    assert facts["chip"]["terms"] == 24


def test_one_giant_cell_is_said(run: CommandLine, tmp_path: Path) -> None:
    x = np.concatenate([clustered(60), clustered(1) + 0.001 * clustered(300, 5)])
    np.save(tmp_path / "giant.npy", x)
    result = run("fit", "--embeddings", "giant.npy", "--encoder", "mine", "--cells", 4)
    assert re.search(r"one cell holds 3\d\d of 360 vectors", result.stderr)


def test_a_fit_names_captions_of_images_that_are_not_there(
    run: CommandLine, images: Path, tmp_path: Path
) -> None:
    file = tmp_path / "captions.jsonl"
    file.write_text('{"image": "absent.png", "captions": ["a red field"]}\n')
    assert "absent.png" in run("fit", images, "--captions", file, "--cells", 2).stderr


def test_a_bundle_is_fitted_on_embeddings_alone(run: CommandLine, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(100, 16)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", vectors)
    arguments = ("--embeddings", "vectors.npy", "--encoder", "mine", "--prototypes", 10)
    facts = run.json("fit", *arguments)
    assert facts["encoder"] == "mine"
    assert facts["chip"]["vectors"] == 100
    assert facts["chip"]["terms"] == 10


def test_a_bundle_for_another_encoder_is_not_fitted_where_vectors_are(
    indexed: CommandLine, tmp_path: Path
) -> None:
    np.save(tmp_path / "vectors.npy", np.eye(16, dtype=np.float32))
    line = indexed.refused("fit", "--embeddings", "vectors.npy", "--encoder", "mine")
    assert "transformers:clip:" in line
    assert "mine" in line
    indexed("rebuild")


def test_a_sheet_that_cannot_be_written_is_named(indexed: CommandLine) -> None:
    assert "nowhere" in indexed.refused("search", "a field", "--html", "nowhere/hits.html")


def test_opensearch_that_is_down_is_named(indexed: CommandLine, images: Path) -> None:
    url = "http://localhost:9"
    for command in (["search", "a field"], ["info"], ["rebuild"], ["audit"], ["index", images]):
        line = indexed.refused(*command, "--opensearch-url", url)
        assert url in line
    assert indexed.json("search", "a field")["hits"]


def test_a_fault_of_the_program_leaves_its_traceback_in_a_file(
    indexed: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*anything: object, **more: object) -> None:
        raise ZeroDivisionError("by design")

    monkeypatch.setattr("scenesift.archive.Archive.info", fail)
    line = indexed.refused("info", code=70)
    assert "by design" in line
    traceback = Path(line.rpartition(" ")[2])
    assert "ZeroDivisionError" in traceback.read_text()
    traceback.unlink()
