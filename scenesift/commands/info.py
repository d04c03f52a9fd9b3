"""`scenesift info`: what the archive holds."""

from __future__ import annotations

from scenesift.options import HomeOption, JsonOption, OpenSearchOption, examples

EXAMPLES = examples("scenesift info", "scenesift info --home /data/archive --json")


def command(
    home: HomeOption = None,
    opensearch_url: OpenSearchOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what the archive holds and what it was made with."""
    from scenesift import console
    from scenesift.archive import Archive

    with Archive(home, opensearch_url=opensearch_url) as archive:
        info = archive.info()
    if as_json:
        console.print_json(info)
    else:
        console.print_facts(info)
