"""What people and scripts read: text and tables on stdout, errors and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
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
    width = max(map(len, facts))
    for name, value in facts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{part} {count:,}" for part, count in value.items())
        elif isinstance(value, list):
            value = ", ".join(value)
        elif isinstance(value, int):
            value = f"{value:,}"
        typer.echo(f"{name.replace('_', ' '):{width}}  {value}")
