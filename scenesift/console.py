"""What people and scripts read: text and tables on stdout, errors and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

_PIPED_WIDTH = 200
"""Columns where nobody's terminal sets a limit."""


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def error(message: str, exit_code: int, as_json: bool) -> None:
    """One line on stderr."""
    line = " ".join(message.split())
    if as_json:
        typer.echo(json.dumps({"error": line, "exit_code": exit_code}), err=True)
    else:
        typer.echo(f"scenesift: {line}", err=True)


def note(line: str) -> None:
    """A remark on stderr, out of the way of what scripts read."""
    typer.echo(line, err=True)


def output() -> Console:
    """Rich output on stdout."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(width=width, highlight=False, soft_wrap=False)


def print_facts(facts: Mapping[str, Any]) -> None:
    """Names and values, a line each; counts of one thing side by side."""
    lines = dict(_lines(facts))
    width = max(map(len, lines))
    for name, value in lines.items():
        typer.echo(f"{name:{width}}  {value}")


def _lines(facts: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    """Mappings of mappings get a line for each."""
    for key, value in facts.items():
        name = f"{of}{key}".replace("_", " ")
        if not isinstance(value, Mapping):
            yield name, ", ".join(value) if isinstance(value, list) else _shown(value)
        elif any(isinstance(part, Mapping) for part in value.values()):
            yield from _lines(value, f"{name} ")
        else:
            parts = (f"{part.replace('_', ' ')} {_shown(x)}" for part, x in value.items())
            yield name, ", ".join(parts)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
