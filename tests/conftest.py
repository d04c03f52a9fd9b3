"""What all tests share: OpenSearch nodes, a small archive, and the rule that CI skips nothing."""

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from deploy.local.errors import JarsError
from deploy.local.releases import NEWEST, OLDEST
from tests.cli.command_line import COLOURS, write_image
from tests.s3_server import KEYS, S3Server, s3_server
from tests.shared_node import NodeOwner, shared_url

IN_CI = os.environ.get("CI", "").lower() not in {"", "0", "false"}
RELEASES = {"newest": NEWEST, "oldest": OLDEST}
NODE_FOLDERS = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[NODE_FOLDERS] = worker_input["node_folders"]
        return
    owners = {name: NodeOwner(release) for name, release in RELEASES.items()}
    for owner in owners.values():
        config.add_cleanup(owner.close)
    config.stash[NODE_FOLDERS] = {name: str(owner.folder) for name, owner in owners.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the controller listens."""
    node.workerinput["node_folders"] = node.config.stash[NODE_FOLDERS]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "opensearch" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.opensearch)


@pytest.fixture(scope="session")
def opensearch(request: pytest.FixtureRequest) -> str:
    """URL of the run's one OpenSearch node; tests keep apart by index names of their own."""
    return _url(request.config, "newest")


@pytest.fixture(scope="session")
def oldest_opensearch(request: pytest.FixtureRequest) -> str:
    """URL of a node of the oldest release that is supported, for tests of the engine itself."""
    return _url(request.config, "oldest")


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """The run's S3 server; tests keep apart by buckets of their own."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in KEYS.items():
            environment.setenv(name, value)
        with s3_server() as server:
            yield server


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


@pytest.fixture(scope="session")
def fitted_home(tmp_path_factory: pytest.TempPathFactory, model: Path, images: Path) -> Path:
    """A home with a bundle for the small model, nothing indexed."""
    home = tmp_path_factory.mktemp("fitted") / "home"
    from scenesift.archive import Archive
    from sgpd.fit import FitSettings

    with Archive(home, model=str(model), threads=1) as archive:
        archive.fit(images, settings=FitSettings(cells=4, prototypes=12))
    return home


@pytest.fixture(scope="session")
def indexed_home(
    tmp_path_factory: pytest.TempPathFactory, model: Path, images: Path, fitted_home: Path
) -> Path:
    """A home with the 24 images and their 48 captions."""
    home = tmp_path_factory.mktemp("indexed") / "home"
    from scenesift.archive import Archive

    copytree(fitted_home, home)
    with Archive(home, model=str(model), threads=1) as archive:
        archive.index(images)
    return home


def _url(config: pytest.Config, release: str) -> str:
    try:
        return shared_url(Path(config.stash[NODE_FOLDERS][release]))
    except JarsError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure: a skipped test proves nothing."""
    report.longrepr = f"skipped, which CI forbids: {report.longreprtext or report.longrepr}"
    report.outcome = "failed"
