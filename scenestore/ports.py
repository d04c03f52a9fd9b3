"""What the engines must provide; one contract suite holds them all to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scenestore.aggregation import Counts, Grouping
from scenestore.batch import Batch
from scenestore.entry import KINDS, Entry, Identity, Kind, Scene, SceneOutcome
from scenestore.extent import Extent
from scenestore.filters import Filter
from scenestore.listing import Listed, Order, Position, Unit
from sgpd.guide import Guide


@dataclass(frozen=True, slots=True)
class Record:
    """A ledger document and the version to hand back when changing it."""

    value: dict[str, Any]
    version: Any
    """Opaque; equal versions mean equal values."""


class Ledger(Protocol):
    """Small named JSON documents changed by compare-and-set: the log's head, pages, counters."""

    def read(self, name: str) -> Record | None:
        """The document, as of now (never stale), or None."""

    def read_many(self, names: Sequence[str]) -> dict[str, Record]:
        """Those of the documents that there are, by name, as of now."""

    def write(self, name: str, value: Mapping[str, Any], version: Any) -> Any:
        """Replace the document if it still has `version` (None: if there is none).

        Returns the new version; raises ConflictError when another write came first.
        """

    def delete(self, name: str) -> None:
        """Remove the document; nothing happens when there is none."""

    def names(self, prefix: str) -> list[str]:
        """The names that start with `prefix`, sorted."""


@dataclass(frozen=True, slots=True)
class Found:
    """A live document: its key and the entry itself."""

    key: int
    entry: Entry


class LiveEntries(Protocol):
    """What searches read of one generation: sparse search, filters, fields."""

    def tolerant(self, missing: list[str]) -> LiveEntries:
        """The same for one search that goes on without what fails, and says it in `missing`."""

    def guide(
        self,
        kind: Kind,
        terms: NDArray[np.uint32],
        weights: NDArray[np.float32],
        size: int,
        where: Filter,
    ) -> Guide:
        """The `size` best live entries by sparse score that pass the filter, by (-score, key)."""

    def count(self, kind: Kind, where: Filter, unit: Unit = "entry") -> int:
        """How many live entries, or scenes that have any, pass the filter."""

    def listing(
        self,
        kind: Kind,
        where: Filter,
        order: Sequence[Order],
        size: int,
        after: Position | None,
        unit: Unit,
    ) -> list[Listed]:
        """The next `size` live entries, or scenes, that pass the filter; fewer are the last.

        In that order, then by collection, scene and key. At most 10,000. Raises FilterError where
        there is no such order, or no such position in it.
        """

    def aggregate(self, kind: Kind, where: Filter, grouping: Grouping, unit: Unit) -> Counts:
        """How many live entries, or scenes, that pass the filter are of each group.

        Raises FilterError where there are more groups than can be counted.
        """

    def extents(self, kind: Kind, where: Filter) -> dict[str, Extent]:
        """What the scenes with live entries that pass the filter cover, by collection.

        In the order of names, at most 10,000; a collection without such scenes is left out.
        """

    def counts_by_cell(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """How many live entries pass the filter in each cell, [C]."""

    def keys(self, kind: Kind, where: Filter, limit: int) -> NDArray[np.int64]:
        """Keys of live entries that pass the filter, ascending, at most `limit` of them."""

    def alive(self, kind: Kind, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys live entries carry, same shape; cheaper than fetching them."""

    def fetch(self, kind: Kind, keys: Sequence[int], where: Filter) -> dict[int, Entry]:
        """The entries of those keys that are live and pass the filter."""

    def lookup(self, id: str) -> Found | None:
        """The live entry of an identity's id, of any kind, as of now."""

    def lookup_all(self, ids: Sequence[str], kinds: Sequence[Kind] = KINDS) -> dict[str, Found]:
        """Those of the ids that live entries of the kinds have, as of now."""

    def live(self, kind: Kind) -> Iterator[tuple[int, str]]:
        """(key, id) of every live entry, keys ascending, in bounded memory (for audits)."""


class Books(Protocol):
    """What keeps account of one generation: which identities are live, what became of scenes."""

    def identities(self, scenes: Sequence[Scene]) -> dict[Scene, list[Identity]]:
        """Live identities of the given (collection, scene) pairs."""

    def outcomes_of(self, scenes: Sequence[Scene]) -> dict[Scene, SceneOutcome]:
        """The last outcomes of the given (collection, scene) pairs, deleted ones too, as of now."""

    def outcomes(self, collection: str | None) -> Iterator[SceneOutcome]:
        """The last outcome of every scene (deleted ones left out), by collection and scene."""

    def outcome_counts(self) -> dict[str, int]:
        """Scenes by status: indexed, skipped, failed (deleted ones left out)."""


class Projection(Protocol):
    """The life of one generation's documents: made, filled from batches, replaced, dropped.

    Everything in it can be made again from the batch folders.
    """

    def create(self) -> None:
        """Make what is needed (tables, indices, aliases); nothing happens when it is there.

        Raises StoreError when something foreign stands in its place.
        """

    def check(self) -> None:
        """Raise StoreError, with both digests, when what is there was made with another bundle."""

    def write(self, batch: Batch) -> list[SceneOutcome]:
        """Project a batch: its entries and tombstones, then its outcomes; safe to repeat.

        A document is replaced only by a batch of the same or a higher ordinal. Returns the outcomes
        that were not written because a higher one is there: of those scenes another write decides.
        """

    def refresh(self) -> None:
        """Make everything written so far visible to searches."""

    def reset(self) -> None:
        """Start an empty projection to be filled by `rebuild`; searches keep the old one."""

    def swap(self) -> None:
        """Put the projection started by `reset` in the old one's place, and drop the old one."""

    def lead(self) -> None:
        """Let names that are for whichever generation is live (Dashboards' aliases) mean this."""

    def drop(self) -> None:
        """Remove everything of this generation."""

    def close(self) -> None:
        """Give back connections."""


class Documents(LiveEntries, Books, Projection, Protocol):
    """One generation's entries and scene outcomes, in all three roles."""
