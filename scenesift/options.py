"""Options that several commands share, spelt and explained once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class KindChoice(StrEnum):
    """Kinds of entries."""

    chip = "chip"
    caption = "caption"


class SparsifierChoice(StrEnum):
    """What turns embeddings into codes."""

    prototypes = "prototypes"
    autoencoder = "autoencoder"
    caption_words = "caption-words"


class StrategyChoice(StrEnum):
    """Ways to search."""

    auto = "auto"
    guided = "guided"
    exhaustive = "exhaustive"


QUERIES = 2_000
"""Drawn of each kind to calibrate with: enough to calibrate on and to measure."""

_ARCHIVE = "Archive"
_MODEL = "Model"

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="The folder that holds the archive. [default: $SCENESIFT_HOME, else ./scenesift-home]",
        rich_help_panel=_ARCHIVE,
    ),
]
OpenSearchOption = Annotated[
    str | None,
    typer.Option(
        "--opensearch-url",
        metavar="URL",
        help="Keep the index on this OpenSearch node, not in the home; commas between several.",
        rich_help_panel=_ARCHIVE,
    ),
]
RedisOption = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        help="The Redis that workers get their messages through.",
        rich_help_panel=_ARCHIVE,
    ),
]
RecallOption = Annotated[
    str,
    typer.Option(
        "--recall",
        metavar="SHARE",
        help="Share of a whole scan's hits to find on average, such as 0.95 or 0.99; or exact.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; errors too, on stderr.")
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Folder or name of a dual encoder. [default: the bundled model]",
        rich_help_panel=_MODEL,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="auto, cpu, cuda or mps. [default: auto]",
        rich_help_panel=_MODEL,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        metavar="N",
        help="Images that are encoded at once. [default: 64]",
        rich_help_panel=_MODEL,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        help="Threads of the encoder. [default: all cores]",
        rich_help_panel=_MODEL,
    ),
]


def examples(*commands: str) -> str:
    """The end of a command's help; a paragraph a command, as typer joins lone lines."""
    return "\n\n".join(["Examples:", *(f"  {command}" for command in commands)])
