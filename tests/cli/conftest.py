"""A small model, small images and a home, for the command line as a user runs it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from scenesift.cli import app

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


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
    PreTrainedTokenizerFast(
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


def write_image(path: Path, colour: Sequence[int], seed: int) -> Path:
    """A 48 x 48 picture of noise around a colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 25, (48, 48, 3))
    Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).save(path)
    return path


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


class CommandLine:
    """Runs commands in this process, in one home, with one model."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: object, code: int = 0) -> Result:
        """Run a command and check its exit code; nothing may ever end in a traceback."""
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(app, [*words, "--home", str(self.home)])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    def json(self, *arguments: object, code: int = 0) -> Any:
        """What a command prints with --json."""
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def refused(self, *arguments: object, code: int = 1) -> str:
        """The one line on stderr of a command that must fail."""
        result = self(*arguments, code=code)
        (line,) = result.stderr.splitlines()
        return line


@pytest.fixture
def run(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in a fresh home, in a folder of its own."""
    monkeypatch.setenv("SCENESIFT_MODEL", str(model))
    monkeypatch.chdir(tmp_path)
    return CommandLine(tmp_path / "home")
