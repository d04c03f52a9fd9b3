"""The command line as tests run it, and small images."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from typer.testing import CliRunner, Result

from scenesift.cli import app

ROOT = Path(__file__).parents[2]
COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 200)}


def write_image(path: Path, colour: Sequence[int], seed: int) -> Path:
    """A 48 x 48 picture of noise around a colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 25, (48, 48, 3))
    Image.fromarray(np.clip(noise + colour, 0, 255).astype(np.uint8)).save(path)
    return path


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python process of its own that sees our packages."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


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
        assert line.startswith("scenesift: ")
        return line
