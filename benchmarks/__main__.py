"""The command line of the benchmarks: `python -m benchmarks list`, `… run NAME --json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.registry import Options, load

app = typer.Typer(help="Measure SceneSift.", no_args_is_help=True)


@app.command("list")
def list_benchmarks() -> None:
    """List the benchmarks."""
    for name, benchmark in sorted(load().items()):
        print(f"{name:20} {(benchmark.__doc__ or '').splitlines()[0]}")


@app.command("run")
def run_benchmark(
    name: Annotated[str, typer.Argument(help="A name from the list.")],
    size: Annotated[int | None, typer.Option(min=1, help="How many items to work on.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of figure and baseline.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Folder with the real images.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run one benchmark and print its figure, baseline and ratio."""
    known = load()
    if name not in known:
        raise typer.BadParameter(f"{name} is not one of {', '.join(sorted(known))}")
    result = known[name].run(Options(size, rounds, data))
    if as_json:
        print(json.dumps({"name": name, **result}, indent=1))
        return
    for key, value in result.items():
        print(f"{key:20} {value:.4g}" if isinstance(value, float) else f"{key:20} {value}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
