"""Writes docs/cli.md from the command line itself: `python -m docs.build_cli`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from scenesift.cli import app
from scenesift.settings import PREFIX, Settings

FILE = Path(__file__).with_name("cli.md")


def reference() -> str:
    """The whole page."""
    group: Any = typer.main.get_command(app)
    lines = [
        "# Command reference",
        "",
        "Written by `python -m docs.build_cli` from the code.",
        "",
    ]
    lines += [group.help, "", *_paragraphs(group.epilog)]
    for name, command in group.commands.items():
        lines += _section(name, command)
    return "\n".join([*lines, *_settings(), ""])


def _section(name: str, command: Any) -> list[str]:
    """A command, or a group with each of its commands."""
    lines = [f"## scenesift {name}", "", *_paragraphs(command.help)]
    if hasattr(command, "commands"):
        parts = (_section(f"{name} {part}", one) for part, one in command.commands.items())
        return [*lines, *(line for section in parts for line in section)]
    title, *commands = command.epilog.split("\n\n")
    lines += [*_usage(name, command), *_parameters(command.params)]
    return [*lines, title, "", "```sh", *(line.strip() for line in commands), "```", ""]


def _settings() -> Iterator[str]:
    """What the environment and HOME/settings.toml may set."""
    yield from (
        "## Settings",
        "",
        "| variable | in settings.toml | | default |",
        "|---|---|---|---|",
    )
    for name, field in Settings.model_fields.items():
        given = field.default
        default = ",".join(given) if isinstance(given, tuple) else "" if given is None else given
        in_file = "" if name == "home" else f"`{name}`"
        cells = (f"`{PREFIX}{name.upper()}`", in_file, field.description or "", str(default))
        yield "| " + " | ".join(map(_cell, cells)) + " |"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        yield " ".join(paragraph.split())
        yield ""


def _usage(name: str, command: Any) -> list[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [_metavar(p) if p.required else f"[{_metavar(p)}]" for p in arguments]
    return ["```", " ".join(["scenesift", name, *words, "[OPTIONS]"]), "```", ""]


def _parameters(parameters: list[Any]) -> list[str]:
    rows = ["| | | default |", "|---|---|---|"]
    for parameter in parameters:
        names = ", ".join(parameter.opts)
        if parameter.param_type_name == "argument":
            names = _metavar(parameter)
        elif not parameter.is_flag:
            names += f" {_metavar(parameter)}"
        text, default = parameter.help or "", parameter.default
        stated = re.search(r" \[default: (.*)\]$", text)
        if stated:
            text, shown = text[: stated.start()], stated[1]
        else:
            shown = "" if default in (None, False, ()) else str(getattr(default, "value", default))
        rows.append("| " + " | ".join(_cell(c) for c in (f"`{names}`", text, shown)) + " |")
    return [*rows, ""]


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    kind = parameter.type_descriptor.annotation
    if issubclass(kind, Enum):
        return "|".join(str(choice.value) for choice in kind)
    return str(parameter.name.upper())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
