"""`scenesift key`: who may ask the query service."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesift.options import HomeOption, JsonOption, examples

if TYPE_CHECKING:
    from scenesift.keys import Keys

app = typer.Typer(
    help="Keys of `scenesift serve`: who may ask it from other machines.", no_args_is_help=True
)
_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Whose it is: small letters, digits and hyphens.")
]


@app.command(epilog=examples("scenesift key create qgis", "scenesift key create ci --json"))
def create(name: _Name, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make a key and print it, this once: only its digest is kept.

    Every `scenesift serve` on the same store knows it from its first use on. Requests carry it as
    `Authorization: Bearer KEY`.
    """
    from scenesift import console

    token = _keys(home).create(name)
    if as_json:
        console.print_json({"name": name, "key": token})
    else:
        typer.echo(token)
        console.note("keep it now: it is not shown again")


@app.command("list", epilog=examples("scenesift key list"))
def list_command(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the names of the keys, and when each was made."""
    from scenesift import console

    found = _keys(home).facts()
    if as_json:
        console.print_json({"keys": [asdict(one) for one in found]})
        return
    for one in found:
        typer.echo(f"{one.name}  {one.made}")
    if not found:
        typer.echo("there is no key")


@app.command(epilog=examples("scenesift key revoke qgis"))
def revoke(name: _Name, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Let a key work no more.

    A service that runs lets nobody in with it ten seconds later; one that cannot read the store,
    after a minute.
    """
    from scenesift import console

    _keys(home).revoke(name)
    if as_json:
        console.print_json({"revoked": name})
    else:
        typer.echo(f"revoked: {name}")


def _keys(home: Path | None) -> Keys:
    from scenesift.home import Home
    from scenesift.keys import Keys
    from scenesift.settings import load_settings
    from scenesift.stores import open_store

    settings = load_settings(home=home)
    return Keys(Home(settings.home, open_store(settings)))
