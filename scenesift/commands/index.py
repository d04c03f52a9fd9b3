"""`scenesift index`: bring the archive in step with a folder of images."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    from indexer.summary import Summary
    from scenesift.archive import Archive

EXAMPLES = examples(
    "scenesift index images",
    "scenesift index images --captions captions.jsonl --collection ports",
    "scenesift index images --dry-run",
    "scenesift index images --retry-failed --json",
    "scenesift index images --distributed --max-failures 0.05",
)

SOME_FAILED = 3
"""Exit code of a run that came to its end but could not index every scene."""


def command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder of images.")],
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Captions as JSONL or Karpathy JSON. "
            "[default: those used last, else SOURCE/captions.jsonl if there]",
        ),
    ] = None,
    collection: Annotated[
        str, typer.Option(metavar="NAME", help="The collection that the folder is kept as.")
    ] = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    moved: Annotated[
        bool,
        typer.Option("--moved", help="The collection's folder is now this one, wherever it was."),
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try again what failed and has not changed.")
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Bring back what `scenesift delete` took out.")
    ] = False,
    max_failures: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="Stop when more than this share of the scenes failed, once there were 100.",
        ),
    ] = 1.0,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed",
            help="Let workers do it (`scenesift worker`); go on with the collection's run if one "
            "is open.",
        ),
    ] = False,
    cancel: Annotated[
        bool,
        typer.Option(
            "--cancel", help="With --distributed: end the open run where it stands; no more."
        ),
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
    """Index what is new or changed in a folder, and take out what is gone from it.

    A second run over the same folder changes nothing; a run that was stopped is taken up where it
    was. Exits with 3 when the run came to its end but some scenes failed.

    With --distributed this process only plans: workers on any number of machines read, encode and
    write. It may be stopped, and the same command takes the run up again, from any machine.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.progress import Progress
    from scenestore.entry import Status

    if dry_run and distributed:
        raise typer.BadParameter("--dry-run looks for itself, leave --distributed out")
    if cancel and not distributed:
        raise typer.BadParameter("--cancel ends a run of --distributed, give both")
    retry: list[Status] = []
    if retry_failed:
        retry.append("failed")
    if restore:
        retry.append("skipped")
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
        Progress("checking images" if dry_run else "indexing images") as progress,
    ):
        if cancel:
            _cancel(archive, collection, as_json)
            return
        given: dict[str, Any] = {
            "captions": captions,
            "collection": collection,
            "moved": moved,
            "retry": retry,
            "max_failures": max_failures,
            "progress": progress,
        }
        if distributed:
            from scenesift.distributed import index_with_workers

            summary = index_with_workers(archive, source, **given, say=progress.note)
        else:
            summary = archive.index(source, dry_run=dry_run, **given)
        crowded = not dry_run and archive.is_crowded
    if as_json:
        console.print_json(asdict(summary))
    else:
        print_summary(summary)
        if crowded:
            console.note(
                "note: this is more than the embedded engine is made for; start OpenSearch, set "
                "SCENESIFT_OPENSEARCH_URL and run `scenesift rebuild`"
            )
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _cancel(archive: Archive, collection: str, as_json: bool) -> None:
    from scenesift import console
    from scenesift.distributed import cancel_run

    run = cancel_run(archive, collection)
    done = run.tally.scenes
    if as_json:
        console.print_json({"run": run.id, "scenes": run.scenes, "done": done})
    else:
        typer.echo(f"run {run.id} was cancelled; {done:,} of its {run.scenes:,} scenes are done")


def print_summary(summary: Summary) -> None:
    """What was done, in a few lines; failures and remarks on stderr."""
    from scenesift import console

    for note in summary.notes:
        console.note(f"note: {note}")
    for failure in summary.failures:
        console.note(f"failed: {failure.scene}: {failure.reason}")
    if summary.failed > len(summary.failures):
        console.note(f"failed: {summary.failed - len(summary.failures):,} more")
    verb = "would be " if summary.dry_run else ""
    parts = {
        f"{verb}indexed": summary.indexed,
        f"{verb}updated": summary.updated,
        "unchanged": summary.unchanged,
        f"{verb}deleted": summary.deleted,
        "failed": summary.failed,
        "left as they were after an earlier failure (try again: --retry-failed) or delete "
        "(bring back: --restore)": summary.settled,
    }
    counts = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)
    typer.echo(f"{summary.collection}: {counts or 'nothing to do'}")
    if summary.indexed or summary.updated:
        typer.echo(
            f"{summary.chips:,} chips and {summary.captions:,} captions in "
            f"{summary.seconds:.1f} s, {summary.images_per_second:.0f} images/s"
        )
