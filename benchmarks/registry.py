"""The benchmarks there are: modules of this package with a NAME and a `run`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import benchmarks


@dataclass(frozen=True)
class Options:
    """What can be asked of a benchmark; None where its own default holds."""

    size: int | None = None
    """Entries, embeddings or images that it works on."""
    rounds: int = 1
    """Turns that figure and baseline take."""
    data: Path | None = None
    """Folder with real images (`eurosat_rgb`, `ucm_captions`), for benchmarks that need them."""


class Benchmark(Protocol):
    """A module with one benchmark; its docstring says in one line what is measured."""

    NAME: str

    def run(self, options: Options) -> Mapping[str, Any]:
        """Measure; the result has at least `figure`, `baseline`, `ratio` and `unit`."""
        ...


def load() -> dict[str, Benchmark]:
    """All benchmarks by name."""
    modules = [
        importlib.import_module(f"{benchmarks.__name__}.{found.name}")
        for found in pkgutil.iter_modules(benchmarks.__path__)
        if not found.name.startswith("_")
    ]
    found = [cast(Benchmark, module) for module in modules if hasattr(module, "NAME")]
    return {benchmark.NAME: benchmark for benchmark in found}
