"""`scenesift audit`: prove that nothing was lost, or say what was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scenesift.options import HomeOption, JsonOption, OpenSearchOption, RedisOption, examples

EXAMPLES = examples(
    "scenesift audit",
    "scenesift audit --source images",
    "scenesift audit --repair --json",
    "scenesift audit --distributed",
)


def command(
    source: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Compare with this folder of images as well."),
    ] = None,
    collection: Annotated[
        str, typer.Option(metavar="NAME", help="The collection that the folder is kept as.")
    ] = "default",
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Make index and compacted segments again from the batches, where they differ.",
        ),
    ] = False,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed",
            help="Let a worker do it (`scenesift worker`), which must see DIR at the same path.",
        ),
    ] = False,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    redis_url: RedisOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare batches, log, index and segments, every file with its digest.

    Exits with 0 when all tell the same, and with 1 when they do not (the report then names every
    fault, with its count, examples and what to do) or could not be compared (one line on stderr).
    `--repair` brings back all but batches and bundles: those are the truth, and need a backup.

    With --distributed this process only waits. It may be stopped, and the same command follows the
    worker again, from any machine.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.progress import Progress

    with (
        Archive(home, opensearch_url=opensearch_url, redis_url=redis_url) as archive,
        Progress("batches compared") as progress,
    ):
        given: dict[str, Any] = {
            "source": source,
            "collection": collection,
            "repair": repair,
            "progress": progress,
        }
        if distributed:
            from scenesift.chores import audit_with_workers

            report = audit_with_workers(archive, **given, say=progress.note)
        else:
            report = archive.audit(**given)
    if as_json:
        console.print_json(report.to_json())
    else:
        entries = " and ".join(f"{count:,} {kind}s" for kind, count in report.entries.items())
        typer.echo(
            f"{report.batches:,} batches, {report.scenes:,} scenes, {entries} "
            f"compared in {report.seconds:.1f} s"
        )
        for finding in report.findings:
            more = ", ..." if finding.count > len(finding.examples) else ""
            typer.echo(f"{finding.fault}: {finding.count:,} ({', '.join(finding.examples)}{more})")
            typer.echo(f"  {finding.remedy}")
        typer.echo("clean" if report.clean else "not clean")
    if not report.clean:
        raise typer.Exit(1)
