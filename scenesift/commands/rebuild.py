"""`scenesift rebuild`: make the index again from the batches, without touching an image."""

from __future__ import annotations

from scenesift.options import HomeOption, JsonOption, OpenSearchOption, examples

EXAMPLES = examples(
    "scenesift rebuild",
    "scenesift rebuild --opensearch-url http://localhost:9200",
)


def command(
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the index again from the batches, without touching an image.

    For a lost or damaged index, to move to another engine, and after `scenesift fit`: then
    everything is coded anew, from the stored vectors, into a new generation, which goes live when
    it is whole. Searches go on meanwhile.
    """
    from scenesift import console
    from scenesift.archive import Archive
    from scenesift.progress import Progress

    with (
        Archive(home, opensearch_url=opensearch_url) as archive,
        Progress("rebuilding") as progress,
    ):
        archive.rebuild(progress)
        info = archive.info()
    if as_json:
        console.print_json(info)
    else:
        console.print_facts(info)
