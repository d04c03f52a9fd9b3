"""`scenesift delete`: take scenes out of the archive."""

from __future__ import annotations

from typing import Annotated

import typer

from scenesift.options import HomeOption, JsonOption, OpenSearchOption, examples

EXAMPLES = examples(
    "scenesift delete images/harbor12.jpg",
    "scenesift delete images/harbor12.jpg --collection ports",
    "scenesift delete 3f5SvEPcPZcPCnUgKP5xN2yQHrQ0xkP9rrl4l9bsKoE",
)


def command(
    names: Annotated[
        list[str],
        typer.Argument(metavar="SCENE|ID...", help="Scenes, by name or by the id of an entry."),
    ],
    collection: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Where the scenes are, if several have such a scene."),
    ] = None,
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take scenes, with all their entries, out of the archive.

    They stay out when their folder is indexed again, until `scenesift index --restore`.
    """
    from scenesift import console
    from scenesift.archive import Archive

    with Archive(home, opensearch_url=opensearch_url) as archive:
        deleted = archive.delete(names, collection)
    if as_json:
        scenes = [{"collection": name, "scene": scene} for name, scene in deleted]
        console.print_json({"deleted": scenes})
    else:
        for name, scene in deleted:
            typer.echo(f"deleted {scene} of {name}")
