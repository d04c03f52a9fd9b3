"""Collections: which folder and captions file the scenes of an archive come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import CollectionError
from scenestore.ports import Ledger

DEFAULT = "default"
_PREFIX = "collection-"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Collection:
    """A named set of scenes, kept in step with one folder."""

    name: str
    source: Path
    """Absolute."""
    captions: Path | None = None
    """Absolute; used again when an update names none."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CollectionError(
                f"{self.name!r} cannot name a collection; use letters, digits, dots, hyphens and "
                "underscores, at most 64 of them"
            )

    @property
    def record(self) -> str:
        """The ledger document that remembers it."""
        return _PREFIX + self.name

    def remember(self, ledger: Ledger) -> None:
        """Keep it in the ledger; nothing is written when that is known already."""
        record = ledger.read(self.record)
        value = {
            "source": str(self.source),
            "captions": str(self.captions) if self.captions else None,
        }
        if record is None or record.value != value:
            ledger.write(self.record, value, record.version if record else None)


def known_collection(ledger: Ledger, name: str) -> Collection | None:
    """The collection that the ledger remembers under a name."""
    record = ledger.read(_PREFIX + name)
    if record is None:
        return None
    captions = record.value["captions"]
    return Collection(name, Path(record.value["source"]), Path(captions) if captions else None)


def collection_names(ledger: Ledger) -> list[str]:
    """The names of all collections that were ever indexed, sorted."""
    return [name.removeprefix(_PREFIX) for name in ledger.names(_PREFIX)]


def chosen_collection(
    ledger: Ledger, name: str, source: Path, captions: Path | None, moved: bool
) -> Collection:
    """The collection to update from a folder; CollectionError when it belongs to another folder.

    Without a captions file the one used last is used again. `moved` lets the folder be another.
    """
    chosen = Collection(name, source.resolve(), captions.resolve() if captions else None)
    known = known_collection(ledger, name)
    if known is None:
        return chosen
    if known.source != chosen.source and not moved:
        raise CollectionError(
            f"collection {name} was indexed from {known.source}, not {chosen.source}, and would be "
            "replaced; give another --collection, or --moved if it is the same folder elsewhere"
        )
    return Collection(name, chosen.source, chosen.captions or known.captions)
