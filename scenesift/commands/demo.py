"""`scenesift demo`: index the sample archive and try a few searches."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesift.errors import DemoError, ServeError
from scenesift.options import HomeOption, JsonOption, OpenSearchOption, examples

if TYPE_CHECKING:
    from query_service.answer import Answer
    from scenesift.archive import Archive
    from scenesift.settings import Settings
    from scenestore.entry import Kind

EXAMPLES = examples("scenesift demo", "scenesift demo --home /data/try", "scenesift demo --serve")

COLLECTION = "sample"
SAMPLE = Path(__file__).parents[2] / "examples" / "sample_archive"
SHEET = "demo.html"
HITS = 5
PORT = 8000


@dataclass(frozen=True)
class Try:
    """One search of the demo."""

    remark: str
    text: str | None = None
    image: Path | None = None
    like: str | None = None
    kind: Kind = "chip"

    def line(self, home: Path) -> str:
        """The command that does it."""
        words = ["scenesift", "search"]
        if self.text:
            words.append(self.text)
        if self.image:
            words += ["--image", str(self.image)]
        if self.like:
            words += ["--like", self.like]
        if self.kind != "chip":
            words += ["--kind", self.kind]
        return shlex.join([*words, "-k", str(HITS), "--home", str(home)])

    def run(self, archive: Archive) -> Answer:
        """Search."""
        return archive.search(self.text, image=self.image, like=self.like, kind=self.kind, k=HITS)


def tries(sample: Path) -> list[Try]:
    """The searches of the demo."""
    return [
        Try("Text to image: harbors among 1,628 images", text="boats in a harbor"),
        Try("One query, two resolutions: 0.3 m and 10 m a pixel", text="round storage tanks"),
        Try("Text to text: captions are found too", text="boats along a pier", kind="caption"),
        Try("Image to image: any file will do", image=sample / "images/ucm/beach/beach09.jpg"),
        Try("More like an entry of the archive", like="images/ucm/harbor/harbor28.jpg"),
    ]


def command(
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Then serve it to a browser until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Index the sample archive that comes with the source code, and try a few searches.

    Needs the checkout that SceneSift was installed from. Running it again changes nothing.
    """
    from scenesift import console, results, sheet
    from scenesift.archive import Archive
    from scenesift.progress import Progress

    if not SAMPLE.is_dir():
        raise DemoError(
            f"{SAMPLE}: the sample archive is not there; run the demo from a clone of the "
            "repository, or index a folder of yours with `scenesift index SOURCE`"
        )
    with Archive(home, opensearch_url=opensearch_url) as archive:
        if not as_json:
            typer.echo(f"$ {shlex.join(['scenesift', 'index', str(SAMPLE)])}")
        with Progress("indexing images") as progress:
            summary = archive.index(SAMPLE, collection=COLLECTION, progress=progress)
        if not as_json:
            typer.echo(
                f"{summary.indexed + summary.updated:,} images indexed, "
                f"{summary.unchanged:,} were already there\n"
            )
        searches: list[dict[str, Any]] = []
        for each in tries(SAMPLE):
            line = each.line(archive.home.path)
            answer = each.run(archive)
            found = archive.results(answer)
            searches.append({"command": line, **results.answer_json(answer, found, explain=False)})
            if not as_json:
                typer.echo(f"{each.remark}\n$ {line}")
                results.print_answer(answer, found, explain=False)
                typer.echo()
        first = tries(SAMPLE)[0]
        answer = archive.search(first.text, k=24)
        page = archive.home.path / SHEET
        query = sheet.Query.of(first.text, None)
        sheet.write_sheet(page, query, answer, archive.results(answer, thumbnails=True))
    if as_json:
        console.print_json({"index": asdict(summary), "searches": searches, "sheet": str(page)})
    else:
        typer.echo(f"The hits as pictures: {page}")
        typer.echo("Next: scenesift index YOUR_FOLDER, scenesift search --help, docs/tutorial.md")
    if serve:
        _serve(archive.settings)


def _serve(settings: Settings) -> None:
    """Serve at the usual port, or at another where a program has that."""
    from scenesift.serve import serve

    def say(address: str) -> None:
        typer.echo(f"\nSearch it in a browser at {address} (Ctrl-C ends)")

    try:
        serve(settings, "127.0.0.1", PORT, 1, say)
    except ServeError:
        serve(settings, "127.0.0.1", 0, 1, say)
