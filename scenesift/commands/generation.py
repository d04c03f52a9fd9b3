"""`scenesift generation`: make an archive anew beside the live one, switch to it, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from scenesift.options import (
    BatchSizeOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    OpenSearchOption,
    ThreadsOption,
    examples,
)

if TYPE_CHECKING:
    from scenesift.generation_facts import GenerationFacts

app = typer.Typer(
    help="Make the archive anew beside the live one, switch to it, and back.",
    no_args_is_help=True,
)
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="As `scenesift generation list` shows it.")
]


@app.command("list", epilog=examples("scenesift generation list --json"))
def list_command(
    home: HomeOption = None, opensearch_url: OpenSearchOption = None, as_json: JsonOption = False
) -> None:
    """List the generations: what each was made with, what it holds, which is live."""
    from scenesift import console
    from scenesift.archive import Archive

    with Archive(home, opensearch_url=opensearch_url) as archive:
        found = archive.list_generations()
    if as_json:
        console.print_json({"generations": [asdict(one) for one in found]})
    else:
        _print(found)


@app.command(
    epilog=examples(
        "scenesift generation create",
        "scenesift generation create --model ./my-clip --bundle other-home/bundles/3f6c2a...",
    )
)
def create(
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Folder or name of another dual encoder: all images are encoded again, by it.",
        ),
    ] = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="BUNDLE",
            help="Folder of a bundle, or digest of one in the home. [default: the one of the last "
            "`scenesift fit`]",
        ),
    ] = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a generation beside the live one, with another bundle or another model.

    With a bundle of the same encoder the stored vectors are coded anew, and no image is read. With
    another model the images of all collections are encoded again. Searches and writes go on
    meanwhile, in the live generation. A run that was stopped is taken up where it was; on a
    generation that is whole already it brings over what the live one received since.
    """
    from scenesift.archive import Archive
    from scenesift.progress import Progress

    with (
        Archive(
            home,
            opensearch_url=opensearch_url,
            device=device,
            batch_size=batch_size,
            threads=threads,
        ) as archive,
        Progress("batches brought over") as progress,
    ):
        name = archive.create_generation(model=model, bundle=bundle, progress=progress)
        found = archive.list_generations()
    _print_change({"created": name}, found, as_json)


@app.command(
    epilog=examples("scenesift generation switch g2", "scenesift generation switch g2 --json")
)
def switch(
    name: NameArgument,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a generation the live one.

    What the live one received meanwhile is brought over first. Where the two would not hold the
    same scenes, nothing is switched. Searches end on the generation that they began on, and
    processes that run follow within two seconds. The generation that was live is kept to go back
    to; one that was kept before is dropped.
    """
    from scenesift.archive import Archive
    from scenesift.progress import Progress

    with (
        Archive(home, opensearch_url=opensearch_url, device=device, threads=threads) as archive,
        Progress("batches brought over") as progress,
    ):
        before = archive.switch_generation(name, progress)
        found = archive.list_generations()
    _print_change({"live": name, "before": before}, found, as_json)


@app.command(epilog=examples("scenesift generation rollback"))
def rollback(
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the generation live again that was live before, with all that was written since."""
    from scenesift.archive import Archive
    from scenesift.progress import Progress

    with (
        Archive(home, opensearch_url=opensearch_url, device=device, threads=threads) as archive,
        Progress("batches brought over") as progress,
    ):
        name = archive.rollback_generation(progress)
        found = archive.list_generations()
    _print_change({"live": name}, found, as_json)


@app.command(epilog=examples("scenesift generation drop g1"))
def drop(
    name: NameArgument,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a generation that is not live: its batches, index and calibrations.

    A search that is on it at that moment ends with one line that says so.
    """
    from scenesift.archive import Archive

    with Archive(home, opensearch_url=opensearch_url) as archive:
        archive.drop_generation(name)
        found = archive.list_generations()
    _print_change({"dropped": name}, found, as_json)


def _print_change(
    done: dict[str, str | None], found: Sequence[GenerationFacts], as_json: bool
) -> None:
    from scenesift import console

    if as_json:
        console.print_json({**done, "generations": [asdict(one) for one in found]})
        return
    for what, name in done.items():
        if name is not None:
            typer.echo(f"{what}: {name}")
    _print(found)


def _print(found: Sequence[GenerationFacts]) -> None:
    from rich.table import Table

    from scenesift import console

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "state", "bundle", "encoder"):
        table.add_column(heading, overflow="fold")
    for heading in ("chips", "captions", "batches", "MB", "made"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            one.name,
            one.state,
            one.bundle[:16],
            one.encoder,
            f"{one.entries['chip']:,}",
            f"{one.entries['caption']:,}",
            f"{one.batches:,}",
            f"{one.bytes / 1e6:,.1f}",
            one.made or "",
        )
    console.output().print(table)
