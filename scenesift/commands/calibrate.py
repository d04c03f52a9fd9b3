"""`scenesift calibrate`: find the settings that keep each recall target, and measure them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesift.options import (
    DeviceOption,
    HomeOption,
    JsonOption,
    ModelOption,
    OpenSearchOption,
    ThreadsOption,
    examples,
)

if TYPE_CHECKING:
    from rich.table import Table

    from indexer.calibration.replayed import Remeasured
    from sgpd.calibration import Calibration

EXAMPLES = examples(
    "scenesift calibrate",
    "scenesift calibrate --queries queries.jsonl --target 0.9 --target 0.99",
    "scenesift calibrate --count 5000 --json",
    "scenesift calibrate --replay",
)


def command(
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='JSONL of queries, a line such as {"text": "a harbour"} or {"image": "a.png"}. '
            "[default: images and captions drawn from the archive]",
        ),
    ] = None,
    target: Annotated[
        list[float] | None,
        typer.Option(metavar="SHARE", help="A recall to keep; repeat it. [default: 0.95 and 0.99]"),
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, metavar="N", help="Queries drawn from the archive, of each kind.")
    ] = 2_000,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay",
            help="Instead, measure what sampled live searches find with what is in force.",
        ),
    ] = False,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the cheapest settings that keep each recall target on this archive, and measure them.

    Queries are split by scene: on some the settings are chosen, on others they are calibrated, on
    the rest they are measured. Searches use the result within seconds. Fewer than 1,000 queries to
    calibrate on give no promise; calibrate again when the archive has grown by a fifth.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.calibrating import calibration_report, doubts

    with Archive(
        home, opensearch_url=opensearch_url, model=model, device=device, threads=threads
    ) as archive:
        if replay:
            _print_replayed(archive.remeasure(), as_json)
            return
        made = archive.calibrate(
            queries=queries, targets=target, count=count, say=None if as_json else console.note
        )
        against = doubts(archive.generation, made)
    if as_json:
        console.print_json({**calibration_report(made), "doubts": against})
    else:
        console.output().print(_table(made))
        for line in against:
            console.note(line)


def _print_replayed(found: list[Remeasured], as_json: bool) -> None:
    from scenesift import console

    if as_json:
        console.print_json({"searches": [{**vars(one), "kept": one.is_kept} for one in found]})
        return
    if not found:
        console.note(
            "no sort of search was sampled often enough yet (30 guided ones); a tenth of the "
            "searches are kept, SCENESIFT_SEARCH_SAMPLE=1 keeps all"
        )
    for one in found:
        kept = "kept" if one.is_kept else "NOT KEPT; run `scenesift calibrate`"
        console.output().print(
            f"{one.direction.replace('_', ' ')}, first {one.k}: recall {one.recall:.4f} "
            f"({one.low:.4f} to {one.high:.4f}) of {one.searches} searches, "
            f"target {one.target:g} {kept}"
        )


def _table(made: Calibration) -> Table:
    """A line a promise: target, measured recall with its interval, share scored."""
    from rich import box
    from rich.table import Table

    from sgpd.calibration import ALL

    table = Table(
        title="recall of the first k, measured on queries held out by scene",
        box=box.SIMPLE,
    )
    for column in ("search", "filter keeps", "k", "target", "recall", "95 % interval", "scored %"):
        table.add_column(column, justify="left" if column == "search" else "right")
    for promise in made.promises:
        case = promise.case
        measured = promise.measured.get(ALL)
        table.add_row(
            case.direction.replace("_", " "),
            "all" if case.band == 1 else f"{100 * case.band:.3g} %",
            str(case.k),
            f"{case.target:g}",
            f"{measured.recall:.4f}" if measured else "1 (all scanned)",
            f"{measured.low:.4f} to {measured.high:.4f}" if measured else "",
            f"{100 * measured.scanned:.3g}" if measured else "100",
        )
    return table
