"""A small model, small images and a home, for the command line as a user runs it."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from opensearchpy import OpenSearch

from scenesift.archive import Archive
from sgpd.fit import FitSettings
from tests.cli.command_line import COLOURS, CommandLine, write_image


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A randomly initialised CLIP of a few kilobytes."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("model")
    words = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", "a", "picture", "of", "field", *COLOURS]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[BOS] $A [EOS]", special_tokens=[("[BOS]", 2), ("[EOS]", 3)]
    )
    fast: Any = PreTrainedTokenizerFast
    fast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
    ).save_pretrained(folder)
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2}
    texts = {"vocab_size": len(words), "max_position_embeddings": 16}
    ends = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    pixels = {"image_size": 32, "patch_size": 16}
    torch.manual_seed(7)
    CLIPModel(
        CLIPConfig(
            text_config={**tower, **heads, **texts, **ends},
            vision_config={**tower, **heads, **pixels},
            projection_dim=16,
        )
    ).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size=size, do_center_crop=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images of each of three colours, with two captions each in captions.jsonl."""
    folder = tmp_path_factory.mktemp("images")
    lines = []
    for colour, rgb in COLOURS.items():
        for number in range(8):
            name = f"{colour}/{colour}{number}.png"
            write_image(folder / name, rgb, seed=number)
            captions = [f"a {colour} field", f"a picture of a {colour} field number {number}"]
            split = "val" if number < 3 else "train"
            lines.append({"image": name, "split": split, "captions": captions})
    (folder / "captions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


@pytest.fixture(autouse=True)
def settings_of_the_tests(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small model, one thread, and a working directory of its own."""
    monkeypatch.setenv("SCENESIFT_MODEL", str(model))
    monkeypatch.setenv("SCENESIFT_THREADS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> CommandLine:
    """The command line in a home that is not there yet."""
    return CommandLine(tmp_path / "home")


@pytest.fixture(scope="session")
def fitted_home(tmp_path_factory: pytest.TempPathFactory, model: Path, images: Path) -> Path:
    """A home with a bundle for the small model, nothing indexed."""
    home = tmp_path_factory.mktemp("fitted") / "home"
    with Archive(home, model=str(model), threads=1) as archive:
        archive.fit(images, settings=FitSettings(cells=4, prototypes=12))
    return home


@pytest.fixture(scope="session")
def indexed_home(
    tmp_path_factory: pytest.TempPathFactory, model: Path, images: Path, fitted_home: Path
) -> Path:
    """A home with the 24 images and their 48 captions."""
    home = tmp_path_factory.mktemp("indexed") / "home"
    copytree(fitted_home, home)
    with Archive(home, model=str(model), threads=1) as archive:
        archive.index(images)
    return home


@pytest.fixture
def fitted(run: CommandLine, fitted_home: Path) -> CommandLine:
    """The command line in a copy of the fitted home."""
    copytree(fitted_home, run.home)
    return run


@pytest.fixture
def indexed(run: CommandLine, indexed_home: Path) -> CommandLine:
    """The command line in a copy of the indexed home."""
    copytree(indexed_home, run.home)
    return run


@pytest.fixture(params=["embedded", "opensearch"])
def archive(
    request: pytest.FixtureRequest,
    fitted: CommandLine,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[CommandLine]:
    """An indexed archive on either engine, whose images may be changed."""
    prefix = f"generations-{secrets.token_hex(4)}"
    if request.param == "opensearch":
        url = request.getfixturevalue("opensearch")
        monkeypatch.setenv("SCENESIFT_OPENSEARCH_URL", url)
        monkeypatch.setenv("SCENESIFT_OPENSEARCH_PREFIX", prefix)
    copytree(images, tmp_path / "images")
    fitted("index", tmp_path / "images")
    yield fitted
    if request.param == "opensearch":
        client = OpenSearch(url)
        for index in client.indices.get(index=f"{prefix}-*"):
            client.indices.delete(index=index)
        client.close()
