"""Follows the log's head and keeps the live segments of each kind open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Kind
from scenestore.errors import DamagedError, StoreError
from scenestore.log import Head, Log
from scenestore.segments import LiveSegments
from scenestore.shared import Shared
from scenestore.store import Store
from sgpd.bundle import Bundle


class SegmentReader:
    """A reader's view of one generation; cheap to ask, read again when old or when told to."""

    def __init__(self, bundle: Bundle, log: Log, store: Store) -> None:
        """`store` holds the generation's batches and segments."""
        self.bundle = bundle
        self.log = log
        self.store = store
        self._head = Shared(lambda: self._checked(log.head()))
        self._segments: dict[Kind, tuple[Head, LiveSegments]] = {}

    def head(self, fresh: bool = False) -> Head:
        """The log's head, at most FOLLOW_SECONDS old (or as of now)."""
        return self._head.now() if fresh else self._head.current()

    def remember(self, head: Head) -> Head:
        """Take over a head that was just read or written; StoreError when of another bundle."""
        self._head.keep(self._checked(head))
        return head

    def _checked(self, head: Head) -> Head:
        if head.bundle != self.bundle.digest:
            raise StoreError(
                f"the log of generation {head.generation} was made with bundle {head.bundle}, not "
                f"{self.bundle.digest}; use that bundle, or make a generation with this one"
            )
        return head

    def segments(self, kind: Kind, holding: NDArray[np.int64] | None = None) -> LiveSegments:
        """The live segments of a kind as the head names them.

        Where one is gone, the head is read again, once: it may have been replaced. So it is when a
        key of `holding` is of a batch that the head does not name: documents come before the log,
        so the batch may have been finished meanwhile.
        """
        head = self.head()
        try:
            segments = self._open(kind, head)
        except DamagedError:
            if not self.has_moved_on(head):
                raise
            segments = self._open(kind, self.head())
        if holding is None or segments.has_batches_of(holding):
            return segments
        return self._open(kind, self.head(fresh=True))

    def has_moved_on(self, head: Head | None = None) -> bool:
        """Whether the log's head, read again, is another than a given or the last one.

        Then a segment that is gone may just have been replaced, by maintenance that could not know
        of a reader so slow.
        """
        before = head or self._head.known
        return self.head(fresh=True) != before

    def _open(self, kind: Kind, head: Head) -> LiveSegments:
        known = self._segments.get(kind)
        if known and (known[0] is head or known[0] == head):
            return known[1]
        cells = len(self.bundle.space(kind).cells.centroids)
        opened = LiveSegments.open(self.store, head, kind, cells, known[1] if known else None)
        self._segments[kind] = (head, opened)
        return opened
