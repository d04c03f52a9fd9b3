"""`scenesift index`: bring the archive in step with a folder of images."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesift.options import (
    BatchSizeOption,
    DeviceOption,
    HomeOption,
    JsonOption,
    ModelOption,
    OpenSearchOption,
    ThreadsOption,
    examples,
)

if TYPE_CHECKING:
    from indexer.summary import Summary

EXAMPLES = examples(
    "scenesift index images",
    "scenesift index images --captions captions.jsonl --collection ports",
    "scenesift index images --dry-run",
    "scenesift index images --retry-failed --json",
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
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Index what is new or changed in a folder, and take out what is gone from it.

    A second run over the same folder changes nothing; a run that was stopped is taken up where it
    was. Exits with 3 when the run came to its end but some scenes failed.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.progress import Progress
    from scenestore.entry import Status

    retry: list[Status] = []
    if retry_failed:
        retry.append("failed")
    if restore:
        retry.append("skipped")
    with (
        Archive(
            home,
            opensearch_url=opensearch_url,
            model=model,
            device=device,
            batch_size=batch_size,
            threads=threads,
        ) as archive,
        Progress("checking images" if dry_run else "indexing images") as progress,
    ):
        summary = archive.index(
            source,
            captions=captions,
            collection=collection,
            moved=moved,
            retry=retry,
            dry_run=dry_run,
            progress=progress,
        )
        crowded = not dry_run and archive.is_crowded
    if as_json:
        console.print_json(asdict(summary))
    else:
        _print(summary)
        if crowded:
            console.note(
                "note: this is more than the embedded engine is made for; start OpenSearch, set "
                "SCENESIFT_OPENSEARCH_URL and run `scenesift rebuild`"
            )
    if summary.failed:
        raise typer.Exit(SOME_FAILED)


def _print(summary: Summary) -> None:
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
