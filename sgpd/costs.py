"""Costs: what the parts of a search take, so that plans can be compared."""

from __future__ import annotations

from dataclasses import dataclass

from sgpd.plan import Settings
from sgpd.replay import Replayed


@dataclass(frozen=True)
class Costs:
    """Microseconds; the defaults are of 100,000 entries on the embedded engine.

    Calibration measures them on the archive itself.
    """

    request: float = 300.0
    """A guide, whatever is asked of it."""
    term: float = 1.0
    """A query term more."""
    hit: float = 0.1
    """A hit more that the guide returns."""
    read: float = 1.0
    """A vector read by its key and scored."""
    cell: float = 3.0
    """A cell opened."""
    vector: float = 0.05
    """A vector scored in an opened cell."""
    match: float = 0.5
    """A match of a filter listed."""

    def guided(self, settings: Settings, did: Replayed) -> float:
        """A guided search that did so much."""
        return (
            self.request * (1 + did.asked)
            + self.term * settings.query_terms
            + self.hit * settings.guide_size
            + self.read * did.read
            + self.cell * did.opened
            + self.vector * did.scanned
        )

    def exhaustive(self, vectors: int, cells: int) -> float:
        """A scan of everything."""
        return self.cell * cells + self.vector * vectors

    def matches(self, count: int) -> float:
        """Listing the matches of a filter and scoring exactly those."""
        return self.request + (self.match + self.read) * count
