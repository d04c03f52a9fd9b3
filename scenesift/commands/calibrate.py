"""`scenesift calibrate`: find the settings that keep each recall target, and measure them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesift.options import (
    QUERIES,
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
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from indexer.calibration.replayed import Remeasured
    from sgpd.calibration import Calibration, Promise

EXAMPLES = examples(
    "scenesift calibrate",
    "scenesift calibrate --queries queries.jsonl --target 0.9 --target 0.99",
    "scenesift calibrate --count 5000 --json",
    "scenesift calibrate --replay",
    "scenesift calibrate --distributed",
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
    ] = QUERIES,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay",
            help="Instead, measure what sampled live searches find with what is in force.",
        ),
    ] = False,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed",
            help="Let a worker do it (`scenesift worker`), which must see FILE at the same path.",
        ),
    ] = False,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    redis_url: RedisOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the cheapest settings that keep each recall target on this archive, and measure them.

    Queries are split by scene: on some the settings are chosen, on others they are calibrated, on
    the rest they are measured. Searches use the result within seconds. Fewer than 1,000 queries to
    calibrate on give no promise; calibrate again when the archive has grown by a fifth.

    With --distributed this process only waits. It may be stopped, and the same command follows the
    worker again, from any machine.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.calibrating import calibration_report, doubts

    if replay and distributed:
        raise typer.BadParameter("--replay measures this machine's searches, leave out one")
    with Archive(
        home,
        opensearch_url=opensearch_url,
        redis_url=redis_url,
        model=model,
        device=device,
        threads=threads,
    ) as archive:
        if replay:
            _print_replayed(archive.remeasure(), as_json)
            return
        if distributed:
            from scenesift.chores import calibrate_with_workers

            made = calibrate_with_workers(
                archive, queries=queries, targets=target, count=count, say=console.note
            )
        else:
            made = archive.calibrate(
                queries=queries, targets=target, count=count, say=None if as_json else console.note
            )
        against = doubts(archive.generation, made)
    if as_json:
        console.print_json({**calibration_report(made), "doubts": against})
    else:
        for table in _tables(made):
            console.output().print(table)
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


def _tables(made: Calibration) -> Iterator[Table]:
    """A line a promise: target, measured recall with its interval, share scored; then by filter."""
    from sgpd.calibration import ALL

    table = _table(
        "recall of the first k, measured on queries held out by scene",
        *("search", "k", "target", "recall", "95 % interval", "scored %"),
    )
    for promise in made.promises:
        case, measured = promise.case, promise.measured.get(ALL)
        if not case.filter:
            table.add_row(
                case.direction.replace("_", " "),
                str(case.k),
                f"{case.target:g}",
                f"{measured.recall:.4f}" if measured else "1 (all scanned)",
                f"{measured.low:.4f} to {measured.high:.4f}" if measured else "",
                f"{100 * measured.scanned:.3g}" if measured else "100",
            )
    yield table
    filtered = [promise for promise in made.promises if promise.case.filter]
    if filtered:
        yield _by_filter(filtered)


def _by_filter(promises: Sequence[Promise]) -> Table:
    """A line a kind of filter and share that it keeps at least: recalls of all k by target."""
    from sgpd.calibration import ALL

    ks = sorted({promise.case.k for promise in promises})
    targets = sorted({promise.case.target for promise in promises})
    table = _table(
        f"the same under filters, by kind of filter: recall of the first {', '.join(map(str, ks))} "
        "by target (no other kind has a promise)",
        *("search", "filter", "keeps at least", *(f"{target:g}" for target in targets)),
    )
    rows: dict[tuple[str, str, float], dict[float, list[str]]] = {}
    for promise in sorted(promises, key=lambda promise: promise.case.k):
        case = promise.case
        row = rows.setdefault((case.direction, case.filter, case.band), {})
        recall = promise.measured[ALL].recall if ALL in promise.measured else None
        found = "none" if not promise.is_given else "all scored" if recall is None else None
        row.setdefault(case.target, []).append(found or f"{recall:.4f}")
    for (way, kind, band), found_by_target in rows.items():
        shown = (" ".join(found_by_target.get(target, ())) for target in targets)
        table.add_row(way.replace("_", " "), kind, f"{100 * band:.3g} %", *shown)
    return table


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE)
    for column in columns:
        table.add_column(column, justify="left" if column in ("search", "filter") else "right")
    return table
