"""`scenesift terms`: the lexicon in use, as a table or as a contact sheet to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scenesift.options import (
    HomeOption,
    JsonOption,
    KindChoice,
    OpenSearchOption,
    examples,
)

EXAMPLES = examples(
    "scenesift terms",
    "scenesift terms --grep runway",
    "scenesift terms --limit 200 --html terms.html",
    "scenesift terms --kind caption --json",
)


def command(
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", help="How many terms, the most used first.")
    ] = 50,
    grep: Annotated[
        str, typer.Option("--grep", metavar="TEXT", help="Only terms whose name has this in it.")
    ] = "",
    kind: Annotated[KindChoice, typer.Option(help="Whose terms.")] = KindChoice.chip,
    shown: Annotated[
        int | None,
        typer.Option(
            "--examples", metavar="N", help="Examples of each. [default: 3, on a sheet 8]"
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a contact sheet with thumbnails."),
    ] = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the terms of the codes with how many entries hold them, and examples.

    A term is named by the caption word that goes with it most, or by the nearest concept; its
    examples are the entries that hold most of it. Counts are of live entries.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.errors import SettingsError
    from scenesift.lexicon import print_terms, terms_json
    from scenesift.term_sheet import write_term_sheet

    if limit < 1:
        raise SettingsError(f"--limit is {limit}; give 1 or more")
    if shown is not None and shown < 0:
        raise SettingsError(f"--examples is {shown}; give 0 or more")
    each = shown if shown is not None else 8 if html else 3
    with Archive(home, opensearch_url=opensearch_url) as archive:
        use = archive.lexicon_use(kind.value)
        terms = use.most_used(limit, grep, each)
        if html:
            write_term_sheet(html, kind.value, use.summary(), terms, archive.picture)
    if as_json:
        console.print_json(terms_json(use.summary(), terms))
        return
    print_terms(use.summary(), terms)
    if html:
        typer.echo(f"contact sheet: {html}")
