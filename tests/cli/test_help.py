"""What the command line says of itself, and what it loads for that."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs.build_cli import FILE, reference
from scenesift.cli import app
from tests.cli.command_line import python

ROOT = Path(__file__).parents[2]

COMMANDS = [
    "index",
    "search",
    "serve",
    "explain",
    "terms",
    "info",
    "delete",
    "fit",
    "evaluate",
    "rebuild",
    "audit",
    "worker",
    "demo",
    *(f"failed {part}" for part in ("list", "show", "retry")),
    *(f"generation {part}" for part in ("list", "create", "switch", "rollback", "drop")),
    *(f"key {part}" for part in ("create", "list", "revoke")),
]
HEAVY = [
    "torch",
    "transformers",
    "faiss",
    "pyarrow",
    "celery",
    "opensearchpy",
    "numpy",
    "pydantic_settings",
    "PIL",
    "fastapi",
    "uvicorn",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert f"scenesift {command}" in result.stdout.split("Examples:")[1]
    for option in ("--home", *(["--json"] if command not in {"serve", "worker"} else [])):
        assert option in result.stdout


@pytest.mark.parametrize(
    "words", ["floats [n, d], or", "[default: SOURCE/captions.jsonl if there]", "[default: 64]"]
)
def test_what_stands_in_brackets_is_shown(words: str) -> None:
    shown = CliRunner().invoke(app, ["fit", "--help"]).stdout
    assert words in " ".join(shown.replace("│", " ").split())


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from scenesift.cli import app; "
        "[CliRunner().invoke(app, words) for words in (['--help'], ['search', '--help'])]; "
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    with python(code) as process:
        assert process.communicate()[0].strip() == "[]"


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(app, [])
    assert "evaluate" in result.output
    assert result.exit_code == 2


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("scenesift")


def test_completion_can_be_shown() -> None:
    # In a bash of its own (two commands, or it would give way to the first): the shell is looked
    # for among the parents, and who runs the tests may have another.
    line = '"$0" -m scenesift --show-completion; exit $?'
    shown = subprocess.run(
        ["bash", "-c", line, sys.executable], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "complete -o default" in shown.stdout


def test_the_command_reference_is_up_to_date() -> None:
    assert FILE.read_text(encoding="utf-8") == reference(), "run python -m docs.build_cli"
