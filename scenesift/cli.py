"""The command line: `scenesift COMMAND`; each command is a module of scenesift.commands."""

from __future__ import annotations

import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from scenesift import console
from scenesift.commands import (
    audit,
    calibrate,
    delete,
    demo,
    evaluate,
    explain,
    failed,
    fit,
    generation,
    index,
    info,
    key,
    rebuild,
    search,
    serve,
    terms,
    worker,
)
from sgpd.errors import SceneSiftError

UNEXPECTED = 70
"""Exit code of an error that is a fault of the program (EX_SOFTWARE of sysexits.h)."""

EPILOG = (
    "Exit codes: 0 done; 1 failed, one line on stderr says why; 2 wrong usage or settings; "
    "3 `index` came to its end but some scenes failed; 70 a fault of the program; "
    "130 or 143 stopped by Ctrl-C or SIGTERM.\n\n"
    "Settings: options first, then SCENESIFT_* variables (SCENESIFT_HOME, SCENESIFT_MODEL, "
    "SCENESIFT_OPENSEARCH_URL, ...), then HOME/settings.toml."
)


class StoppedError(SceneSiftError):
    """The command was stopped by a signal."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("stopped; what was finished is kept: run the same command again to go on")
        self.exit_code = exit_code


class Application(TyperGroup):
    """The commands, with every error reported in one place and in one line."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C and SIGTERM end it where it can be taken up again."""
        before = signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise StoppedError(143 if stop.args else 130) from None
        finally:
            signal.signal(signal.SIGTERM, before)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> NoReturn:
        """Run and exit with a code that scripts can trust; never with a traceback."""
        given = list(sys.argv[1:] if args is None else args)
        options["standalone_mode"] = False
        try:
            code = super().main(given, *rest, **options)
        except Exception as error:
            code = _report(error, as_json="--json" in given)
        sys.exit(code if isinstance(code, int) else 0)


def _terminate(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _report(error: Exception, as_json: bool) -> int:
    """Say in one line what went wrong; returns the exit code."""
    if isinstance(error, SceneSiftError):
        code, message = error.exit_code, str(error)
    elif hasattr(error, "format_message"):  # wrong usage, found by typer
        code, message = error.exit_code, error.format_message()  # type: ignore[attr-defined]
        if not message or "\n" in message:  # no command was given: the message is the help
            typer.echo(message)
            return int(code)
    else:
        code, message = UNEXPECTED, _unexpected(error)
    console.error(message, code, as_json)
    return int(code)


def _unexpected(error: Exception) -> str:
    """What to say of a fault of the program; the traceback goes to a file."""
    what = f"unexpected {type(error).__name__}: {error}".splitlines()[0]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="scenesift-", suffix=".traceback", delete=False
        ) as file:
            traceback.print_exception(error, file=file)
    except OSError:
        return what
    return f"{what}; the traceback is in {Path(file.name)}"


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"scenesift {version('scenesift')}")
        except PackageNotFoundError:
            typer.echo("scenesift, not installed as a package")
        raise typer.Exit


app = typer.Typer(
    name="scenesift",
    cls=Application,
    help="Search remote-sensing archives by text or by image.",
    epilog=EPILOG,
    rich_markup_mode="markdown",  # rich's own markup swallows [brackets], such as our defaults
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    """Options before the command."""


for module in (
    index,
    search,
    serve,
    explain,
    terms,
    info,
    calibrate,
    delete,
    fit,
    evaluate,
    rebuild,
    audit,
    worker,
    demo,
):
    name = module.__name__.rpartition(".")[2]
    app.command(name, epilog=module.EXAMPLES)(module.command)

app.add_typer(failed.app, name="failed")
app.add_typer(generation.app, name="generation")
app.add_typer(key.app, name="key")


def main() -> None:
    """What the console script calls."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a scene's name may have what a terminal has not
            stream.reconfigure(errors="backslashreplace")
    app()
