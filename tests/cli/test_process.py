"""The command line as a process: signals and pipes."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.cli.command_line import CommandLine, python

MAIN = "from scenesift.cli import main; main()"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_index_says_so_and_is_taken_up_again(
    fitted: CommandLine, images: Path, number: signal.Signals, code: int
) -> None:
    with python(MAIN, "index", images, "--home", fitted.home) as process:
        lock = fitted.home / "lock"
        lock.write_text("")
        while not lock.read_text():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code
    assert errors.splitlines()[-1].startswith("scenesift: stopped; what was finished is kept")
    assert "Traceback" not in errors
    fitted("index", images)
    assert fitted.json("info")["entries"] == {"chip": 24, "caption": 48}


def test_the_program_prints_json_and_exits_as_in_process(indexed: CommandLine) -> None:
    with python(MAIN, "info", "--home", indexed.home, "--json") as process:
        output, errors = process.communicate()
    assert process.returncode == 0
    assert errors == ""
    assert json.loads(output)["entries"] == {"chip": 24, "caption": 48}
