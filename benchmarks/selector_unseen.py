"""The same as `selector`, with a codebook that has never seen every other class of the corpus."""

from __future__ import annotations

from typing import Any

from benchmarks import selector
from benchmarks.registry import Options

NAME = "selector-unseen"


def run(options: Options) -> dict[str, Any]:
    """Measure what the cells are worth where the guide is at its worst."""
    return selector.measure(options, only_even_classes=True)
