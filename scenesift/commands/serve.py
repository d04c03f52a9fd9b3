"""`scenesift serve`: the query service."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from scenesift.options import (
    DeviceOption,
    HomeOption,
    ModelOption,
    OpenSearchOption,
    ThreadsOption,
    examples,
)

EXAMPLES = examples(
    "scenesift serve",
    "scenesift serve --host 0.0.0.0 --port 8080 --workers 4",
    "scenesift serve --opensearch-url http://search:9200 --workers 2 --threads 1",
)


class KeysChoice(StrEnum):
    """Who has to show a key."""

    auto = "auto"
    required = "required"
    off = "off"


class LogFormatChoice(StrEnum):
    """What a line of the log looks like."""

    text = "text"
    json = "json"


def command(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen: this machine alone, or more.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65_535, help="0 takes any that is free.")
    ] = 8000,
    workers: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=256, help="Processes, each with a model of its own."),
    ] = 1,
    keys: Annotated[
        KeysChoice | None,
        typer.Option(
            help="Whether to ask for a key (`scenesift key create`); auto: unless this machine "
            "alone can connect. [default: auto]"
        ),
    ] = None,
    log_format: Annotated[
        LogFormatChoice | None,
        typer.Option(help="How to log, to stderr; json for machines. [default: text]"),
    ] = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Answer searches over HTTP until SIGTERM or Ctrl-C; requests under way come to their end.

    Several may serve one archive, behind any balancer: they keep nothing between requests.
    """
    from scenesift.serve import serve
    from scenesift.settings import load_settings

    settings = load_settings(
        home=home,
        opensearch_url=opensearch_url,
        model=model,
        device=device,
        threads=threads,
        serve_keys=keys,
        serve_log_format=log_format,
    )

    def say(address: str) -> None:
        typer.echo(f"serving {settings.home} at {address}")

    serve(settings, host, port, workers, say)
