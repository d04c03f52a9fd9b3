"""What a calibration says: settings that keep recall targets, and what these were measured to find.

`sgpd.calibrating` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sgpd.cells import CellStatistics
from sgpd.costs import Costs
from sgpd.plan import Settings
from sgpd.selector import Selector

LEAST_QUERIES = 1_000
"""Calibrated on fewer, no promise is given."""
LEAST_FILTERED = 100
"""The same under one kind of filter, whose queries are alike: fewer can show no target of 0.99."""
ALL = "all"
"""Name of all kinds of queries of a direction together."""
Asked = Literal["text", "image"]
"""What a query is."""
WRITTEN: Mapping[str, Asked] = MappingProxyType({"chip": "image", "caption": "text"})
"""What an entry of a kind is, in the names of directions and as a query itself."""


def direction(asked: str | None, kind: str) -> str:
    """What is asked and the kind of entries that is searched, such as text_to_image."""
    return f"{asked or 'vector'}_to_{WRITTEN[kind]}"


_FILTERED = 1 - 1e-9
"""Bands below 1 are of filtered searches, whose guide is asked for before their share is known."""


@dataclass(frozen=True)
class Case:
    """What is calibrated on its own."""

    direction: str
    """text_to_image, image_to_image, image_to_text or text_to_text."""
    band: float
    """Share of the entries that the filter keeps; 1 without a filter."""
    k: int
    target: float
    filter: str = ""
    """Kind of the filter, such as time or place; '' without a filter."""


@dataclass(frozen=True)
class Measured:
    """What a kind of queries was measured to find, on the report split."""

    queries: int
    recall: float
    low: float
    high: float
    """Bounds of the interval of the mean, at 95 % if not said otherwise, by bootstrap over source
    images."""
    scanned: float
    """Mean share of the vectors scored, those of the guide included."""


@dataclass(frozen=True)
class Promise:
    """The settings of a calibrated case."""

    case: Case
    settings: Settings | None
    """None: everything is scanned, as nothing cheaper can be shown to keep the target."""
    queries: int
    """Queries that it was calibrated on."""
    microseconds: float
    """Mean cost of a search."""
    measured: Mapping[str, Measured] = field(default_factory=dict)
    """By kind of query, and of all together."""

    @property
    def is_given(self) -> bool:
        """Whether enough queries stand behind it."""
        return self.queries >= (LEAST_FILTERED if self.case.filter else LEAST_QUERIES)

    @property
    def recall(self) -> float:
        """What a search is expected to find of the true top k."""
        return self.measured[ALL].recall if self.settings and ALL in self.measured else 1.0

    def to_json(self) -> dict[str, Any]:
        """What is saved."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Promise:
        """The promise that `to_json` wrote."""
        settings = value["settings"]
        return cls(
            Case(**value["case"]),
            Settings(**settings) if settings else None,
            value["queries"],
            value["microseconds"],
            {kind: Measured(**figures) for kind, figures in value["measured"].items()},
        )


@dataclass(frozen=True, eq=False)
class Calibration:
    """The promises of a generation, and what it looked like when they were made."""

    bundle: str
    """Digest of the bundle."""
    made: str
    """When, ISO 8601 UTC."""
    entries: Mapping[str, int]
    """Live entries by kind."""
    rows: Mapping[str, int]
    """Vectors in the segments by kind, dead ones included."""
    statistics: Mapping[str, CellStatistics]
    """Of the live vectors by kind."""
    costs: Mapping[str, Costs]
    """By kind searched."""
    promises: tuple[Promise, ...] = ()
    selectors: Mapping[str, Selector] = field(default_factory=dict)
    """By direction."""

    def covering(
        self, direction: str, selectivity: float | None, k: int, target: float, filter: str = ""
    ) -> Promise | None:
        """The promise for a search, if there is one; selectivity None: it has no filter.

        Of a k or a target that was not calibrated the next larger one holds; of a filter the band
        that keeps no more, calibrated under filters of the same kind.
        """
        asked = direction, filter
        ours = [p for p in self.promises if (p.case.direction, p.case.filter) == asked]
        ks = [p.case.k for p in ours if p.case.k >= k]
        targets = [p.case.target for p in ours if p.case.target >= target - 1e-9]
        most = 1.0 if selectivity is None else min(selectivity, _FILTERED)
        bands = [p.case.band for p in ours if p.case.band <= most]
        if not (ks and targets and bands) or (selectivity is None and max(bands) < 1):
            return None
        wanted = Case(direction, max(bands), min(ks), min(targets), filter)
        return next((p for p in ours if p.case == wanted), None)

    def keeping(self, before: Calibration | None) -> Calibration:
        """This, with the promises of an earlier one for directions that it says less of.

        Only of the same archive, bundle and rows; else this alone.
        """
        if before is None or (before.bundle, before.rows) != (self.bundle, self.rows):
            return self
        better = {p.case.direction for p in self.promises if p.is_given}
        kept = [p for p in before.promises if p.is_given and p.case.direction not in better]
        ways = {p.case.direction for p in kept}
        ours = [p for p in self.promises if p.case.direction not in ways]
        selectors = {way: one for way, one in before.selectors.items() if way in ways}
        return replace(self, promises=(*ours, *kept), selectors={**self.selectors, **selectors})

    def growth(self, kind: str, rows: int) -> float:
        """Vectors in the segments now, as a multiple of those at the time."""
        return rows / max(self.rows.get(kind, 0), 1)

    def shift(self, kind: str, cells: NDArray[np.int64]) -> float:
        """How far the vectors [C] have moved between cells: total variation distance, 0 to 1."""
        counts = self.statistics[kind].counts
        then = counts / max(int(counts.sum()), 1)
        now = cells / max(int(cells.sum()), 1)
        return float(np.abs(now - then).sum() / 2)

    def to_json(self) -> dict[str, Any]:
        """What is saved beside the statistics."""
        return {
            "bundle": self.bundle,
            "made": self.made,
            "entries": dict(self.entries),
            "rows": dict(self.rows),
            "costs": {kind: asdict(costs) for kind, costs in self.costs.items()},
            "promises": [promise.to_json() for promise in self.promises],
            "selectors": {
                direction: {name: array.tolist() for name, array in one.arrays().items()}
                for direction, one in self.selectors.items()
            },
        }

    @classmethod
    def from_json(
        cls, value: Mapping[str, Any], statistics: Mapping[str, CellStatistics]
    ) -> Calibration:
        """The calibration that `to_json` wrote."""
        return cls(
            value["bundle"],
            value["made"],
            value["entries"],
            value["rows"],
            statistics,
            {kind: Costs(**costs) for kind, costs in value["costs"].items()},
            tuple(map(Promise.from_json, value["promises"])),
            {
                direction: Selector.from_arrays(
                    {name: np.array(array, np.float32) for name, array in arrays.items()}
                )
                for direction, arrays in value["selectors"].items()
            },
        )
