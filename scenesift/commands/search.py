"""`scenesift search`: find chips or captions by text, by an image, or by an entry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scenesift.options import (
    DeviceOption,
    HomeOption,
    JsonOption,
    KindChoice,
    ModelOption,
    OpenSearchOption,
    RecallOption,
    StrategyChoice,
    ThreadsOption,
    examples,
)

EXAMPLES = examples(
    'scenesift search "two parallel runways beside water"',
    "scenesift search --image harbour.jpg -k 20 --html hits.html",
    "scenesift search --like images/harbor12.jpg --explain",
    'scenesift search "open water" --bbox 5,45,11,48 --since 2024-05 --max-cloud 20',
    'scenesift search "harbour" --filter "cloud_cover < 10 AND platform LIKE \'landsat-%\'"',
    'scenesift search "harbour" --intersects coast.geojson',
    'scenesift search "a dense forest" --strategy guided --recall 0.95 --json',
)

_FILTERS = "Filters"


def command(
    text: Annotated[str | None, typer.Argument(help="What to look for, in words.")] = None,
    image: Annotated[
        Path | None, typer.Option("--image", metavar="FILE", help="Look for what this image shows.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="ID",
            help="Look for what is like this entry: the id of a hit, or its scene.",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="K", help="How many hits.")] = 10,
    kind: Annotated[KindChoice, typer.Option(help="What to find.")] = KindChoice.chip,
    collection: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Search this collection only; may be repeated.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Taken on or after it: 2024, 2024-05, 2024-05-31 or 2024-05-31T10:30Z.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help="Taken on or before it; a year, month or day is meant to its end.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option(
            metavar="W,S,E,N",
            help="Footprint meets this box, in degrees; may cross longitude 180.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    max_cloud: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", help="At most so much cloud cover.", rich_help_panel=_FILTERS
        ),
    ] = None,
    wanted: Annotated[
        list[str] | None,
        typer.Option(
            "--property",
            metavar="NAME=VALUE",
            help="This property has this value; may be repeated.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    cql2: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="CQL2",
            help="Passes this filter, text or JSON: cloud_cover < 10 AND platform = 'landsat-8'.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    intersects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Footprint meets what this GeoJSON file shows.",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    recall: RecallOption = "0.99",
    strategy: Annotated[
        StrategyChoice,
        typer.Option(help="Open a few cells (guided), all (exhaustive), or whichever is cheaper."),
    ] = StrategyChoice.auto,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Where shards of OpenSearch fail, answer without them and say so.",
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show matched terms, opened cells and times.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a contact sheet with thumbnails."),
    ] = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the archive by text, by an image, or for more like an entry."""
    from scenesift import conditions, console, results, sheet
    from scenesift.archive import Archive
    from scenestore.conditions import box

    with Archive(
        home, opensearch_url=opensearch_url, model=model, device=device, threads=threads
    ) as archive:
        answer = archive.search(
            text,
            image=image,
            like=like,
            kind=kind.value,
            k=k,
            recall=recall,
            strategy=strategy.value,
            collections=collection or (),
            since=since,
            until=until,
            bbox=None if bbox is None else box(bbox),
            max_cloud=max_cloud,
            properties=conditions.properties(wanted or ()),
            filter=cql2,
            intersects=None if intersects is None else conditions.geojson(intersects),
            partial=partial,
            explain=explain,
        )
        found = archive.results(answer, thumbnails=html is not None)
        if html:
            query = sheet.Query.of(text, image)
            if like is not None:
                picture = archive.thumbnail(archive.find(like, collection or ()))
                query = sheet.Query("more like", like, picture)
            sheet.write_sheet(html, query, answer, found)
    if as_json:
        console.print_json(results.answer_json(answer, found, explain))
        return
    results.print_answer(answer, found, explain)
    if html:
        typer.echo(f"contact sheet: {html}")
