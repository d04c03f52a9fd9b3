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


@pytest.mark.parametrize("largest_file", [2_000, 30_000])
def test_a_full_disk_is_named_and_nothing_is_lost(
    fitted: CommandLine, images: Path, largest_file: int
) -> None:
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, [{largest_file}] * 2)"
    with python(f"{limited}; {MAIN}", "index", images, "--home", fitted.home) as process:
        _, errors = process.communicate()
    assert process.returncode == 1
    (line,) = errors.splitlines()
    assert str(fitted.home) in line
    assert fitted.json("index", images)["failed"] == 0
    assert fitted.json("info")["entries"] == {"chip": 24, "caption": 48}
    assert fitted.json("audit")["clean"]


def test_an_output_that_nobody_reads_ends_quietly(indexed: CommandLine) -> None:
    with python(MAIN, "search", "--like", "red/red3.png", "--home", indexed.home) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert "Traceback" not in errors
