"""`scenesift evaluate`: compare dense, sparse and SGPD retrieval on images with captions."""

from __future__ import annotations

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
    RecallOption,
    StrategyChoice,
    ThreadsOption,
    examples,
)

if TYPE_CHECKING:
    from rich.table import Table

    from scenesift.evaluate import Report

EXAMPLES = examples(
    "scenesift evaluate images --split val",
    "scenesift evaluate images --captions captions.jsonl --distractors eurosat --strategy guided",
    "scenesift evaluate images --captions dataset.json --split test --runs runs --json",
)


def command(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A folder of images.")],
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Captions as JSONL or Karpathy JSON. [default: SOURCE/captions.jsonl if there]",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the images of this split.")
    ] = None,
    distractors: Annotated[
        Path | None,
        typer.Option(metavar="SOURCE", help="More images, without captions, in the gallery."),
    ] = None,
    recall: RecallOption = "0.99",
    strategy: Annotated[
        StrategyChoice, typer.Option(help="How SGPD searches.")
    ] = StrategyChoice.auto,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Calibrate on these queries first, so that the recall is promised; JSONL as for "
            "`calibrate`.",
        ),
    ] = None,
    runs: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write TREC run files and qrels here.")
    ] = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    batch_size: BatchSizeOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare dense, sparse and SGPD retrieval on images with captions, both ways.

    R@k is the percentage of queries with a positive in the top k: of a caption its own image, of
    an image its own captions; mR is the mean of R@1, R@5 and R@10 of both directions. Dense scans
    everything, sparse is the order of the guide alone, SGPD is the search. The home's bundle is
    used, else the shipped one, in a temporary archive; the home stays as it is.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.evaluate import evaluate
    from scenesift.progress import Steps

    with (
        Archive(
            home,
            opensearch_url=opensearch_url,
            model=model,
            device=device,
            batch_size=batch_size,
            threads=threads,
        ) as archive,
        Steps() as steps,
    ):
        report = evaluate(
            archive,
            source,
            captions,
            split=split,
            distractors=distractors,
            recall=recall,
            strategy=strategy.value,
            queries=queries,
            progress=steps,
        )
    if runs:
        report.write_runs(runs)
    if as_json:
        console.print_json(report.to_json())
    else:
        console.output().print(_table(report))


def _table(report: Report) -> Table:
    """R@k of each arm, and what SGPD found of dense and scored for it."""
    from rich import box
    from rich.table import Table

    from scenesift.evaluate import ARMS, CUTS

    figures = report.to_json()
    ways = list(report.tallies)
    table = Table(
        title=f"{report.images:,} images and {report.captions:,} captions in the gallery",
        caption="T: text to image, I: image to text; R@k in percent",
        box=box.SIMPLE,
    )
    columns = [f"{way[0].upper()} R@{k}" for way in ways for k in CUTS]
    shares = [f"{way[0].upper()} {what}" for what in ("recall@10", "scanned %") for way in ways]
    for column in ("", *columns, "mR", *shares):
        table.add_column(column, justify="right")
    for arm in ARMS:
        row = [f"{figures[arm][way][f'r{k}']:.1f}" for way in ways for k in CUTS]
        row.append(f"{figures[arm]['mean_recall']:.2f}")
        if arm == "sgpd":
            row += [f"{figures[arm]['recall_at_10'][way]:.4f}" for way in ways]
            row += [f"{100 * figures[arm]['scanned'][way]:.3g}" for way in ways]
        table.add_row(arm, *row)
    return table
