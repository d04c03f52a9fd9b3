"""A process that indexes, and dies at a given step of writing: `dying_writer STEP NTH ENGINE ...`.

Run as a child by the crash tests. It kills itself as a power cut would: no exit handler runs.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from scenestore.embedded import schema
from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.log import Log
from scenestore.opensearch import bulk
from scenestore.opensearch.documents import OpenSearchDocuments
from sgpd import sealed
from tests.indexer.archive import TestArchive

STEPS: dict[str, tuple[Any, str, str]] = {
    "after the claim": (Log, "claim", "after"),
    "before the folder is sealed": (sealed, "seal", "before"),
    "before the folder has its name": (sealed, "publish", "before"),
    "after the folder": (sealed, "publish", "after"),
    "after the documents": (None, "write", "after"),
    "after the log": (Log, "append", "after"),
}
"""Where a call is wrapped, and on which side of it the process dies."""
AMID = "amid the documents"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(call: Callable[..., Any], nth: int, side: str) -> Callable[..., Any]:
    """The call, which the process does not survive the nth time."""
    calls = 0

    def wrapped(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and side == "before":
            die()
        result = call(*args, **options)
        if calls == nth and side == "after":
            die()
        return result

    return wrapped


def main(step: str, nth: int, engine: str, prefix: str, folder: Path, source: Path) -> None:
    is_embedded = engine == "embedded"
    if step == AMID and is_embedded:
        # Two statements make one transaction: die in it, before the outcomes.
        schema.upsert = dying(schema.upsert, 2 * nth, "before")
    elif step == AMID:
        # A request for each of a batch's 16 to 20 documents: die halfway.
        bulk.CHUNK_BYTES = 1
        OpenSearch.bulk = dying(OpenSearch.bulk, 13 * nth, "before")  # type: ignore[method-assign]
    else:
        owner, name, side = STEPS[step]
        owner = owner or (EmbeddedDocuments if is_embedded else OpenSearchDocuments)
        setattr(owner, name, dying(getattr(owner, name), nth, side))
    if is_embedded:
        archive = TestArchive.embedded(folder, source)
    else:
        archive = TestArchive.opensearch(engine, prefix, folder, source)
    archive.index()


if __name__ == "__main__":
    step, nth, engine, prefix, folder, source = sys.argv[1:]
    main(step, int(nth), engine, prefix, Path(folder), Path(source))
