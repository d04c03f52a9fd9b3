"""`scenesift explain`: what the guide sees of an entry, or of a query, in words."""

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
    ThreadsOption,
    examples,
)

EXAMPLES = examples(
    "scenesift explain images/harbor12.jpg",
    "scenesift explain 3f5SvEPcPZcPCnUgKP5xN2yQHrQ0xkP9rrl4l9bsKoE --json",
    'scenesift explain --text "two parallel runways beside water"',
    "scenesift explain --image harbour.jpg",
)


def command(
    entry: Annotated[
        str | None,
        typer.Argument(metavar="SCENE|ID", help="An entry: its id, or the name of its scene."),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", metavar="TEXT", help="Explain this query instead.")
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option("--image", metavar="FILE", help="Explain this image as a query instead."),
    ] = None,
    neighbours: Annotated[
        int, typer.Option("-k", metavar="K", help="How many neighbours of the entry to show.")
    ] = 5,
    kind: Annotated[KindChoice, typer.Option(help="What the query looks for.")] = KindChoice.chip,
    collection: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Where the scene is; may be repeated."),
    ] = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    model: ModelOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in words what the guide sees of an entry, or of a query.

    An entry: its plain words, its code term by term, its cell, and its neighbours with the terms
    that they share. A query: the terms that it becomes.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.errors import SettingsError
    from scenesift.explanations import explanation_json, print_explanation

    if sum(given is not None for given in (entry, text, image)) != 1:
        raise SettingsError("give one of: an entry (its id or scene), --text TEXT or --image FILE")
    if neighbours < 0:
        raise SettingsError(f"-k is {neighbours}; give 0 or more neighbours")
    with Archive(
        home, opensearch_url=opensearch_url, model=model, device=device, threads=threads
    ) as archive:
        about = archive.explain(
            entry, text=text, image=image, kind=kind.value, collections=collection or ()
        )
        near = archive.neighbours(about.entry, neighbours) if about.entry and neighbours else []
    query = text if image is None else str(image)
    if as_json:
        console.print_json(explanation_json(about, query, near))
    else:
        print_explanation(about, query, near)
