"""`scenesift failed`: the scenes that could not be indexed, and another try."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from scenesift.commands.index import SOME_FAILED, print_summary
from scenesift.options import (
    BatchSizeOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    ModelOption,
    OpenSearchOption,
    RedisOption,
    ThreadsOption,
    examples,
)

if TYPE_CHECKING:
    from scenestore.entry import SceneOutcome

app = typer.Typer(
    help="The scenes that could not be indexed, why, and another try. "
    "Scenes that ended two workers, alone in their batch, are among them.",
    no_args_is_help=True,
)

_Collection = Annotated[
    str | None, typer.Option("--collection", metavar="NAME", help="Of this collection only.")
]


@app.command(
    "list",
    epilog=examples(
        "scenesift failed list",
        "scenesift failed list --collection ports",
        "scenesift failed list --dead",
    ),
)
def list_failed(
    collection: _Collection = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only scenes that ended workers.")] = False,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every scene that failed with its reason."""
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.failures import failed_scenes

    with Archive(home, opensearch_url=opensearch_url) as archive:
        failed = failed_scenes(archive, collection=collection, dead=dead)
    if as_json:
        console.print_json({"failed": [_short(outcome) for outcome in failed]})
        return
    for outcome in failed:
        typer.echo(f"{outcome.collection}: {outcome.scene}: {outcome.reason}")
    if not failed:
        typer.echo("no scene ended workers" if dead else "no scene failed")


@app.command("show", epilog=examples("scenesift failed show coast/07.tif"))
def show(
    scene: Annotated[str, typer.Argument(metavar="SCENE", help="A scene of the list.")],
    collection: _Collection = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what is known of a scene that failed: reason, file, whether older entries are found."""
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.failures import facts, failed_scenes

    with Archive(home, opensearch_url=opensearch_url) as archive:
        known = facts(archive, failed_scenes(archive, [scene], collection)[0])
    if as_json:
        console.print_json(known)
    else:
        console.print_facts(known)


@app.command(
    "retry",
    epilog=examples(
        "scenesift failed retry",
        "scenesift failed retry coast/07.tif coast/09.tif",
        "scenesift failed retry --distributed",
    ),
)
def retry_failed(
    scenes: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCENE...", help="Scenes of the list; all of them when not given."),
    ] = None,
    collection: _Collection = None,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Let workers do it (`scenesift worker`).")
    ] = False,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    redis_url: RedisOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index again what failed, and nothing else. Exits with 3 when some of it fails again."""
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.failures import retry
    from scenesift.progress import Progress

    with (
        Archive(
            home,
            opensearch_url=opensearch_url,
            redis_url=redis_url,
            model=model,
            device=device,
            batch_size=batch_size,
            threads=threads,
        ) as archive,
        Progress("indexing images") as progress,
    ):
        done = retry(
            archive,
            scenes or (),
            collection,
            distributed=distributed,
            progress=progress,
            say=progress.note,
        )
    if as_json:
        console.print_json({"runs": [asdict(summary) for summary in done]})
    else:
        for summary in done:
            print_summary(summary)
        if not done:
            typer.echo("no scene failed")
    if any(summary.failed for summary in done):
        raise typer.Exit(SOME_FAILED)


def _short(outcome: SceneOutcome) -> dict[str, str | None]:
    return {
        "collection": outcome.collection,
        "scene": outcome.scene,
        "reason": outcome.reason,
    }
