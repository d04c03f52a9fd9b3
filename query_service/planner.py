"""The planner: the cheapest way to answer that keeps the recall asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from query_service.request import SearchRequest
from scenestore.segments import LiveSegments
from sgpd.bundle import Bundle
from sgpd.calibration import Calibration, Promise, direction
from sgpd.cells import CellStatistics
from sgpd.costs import Costs
from sgpd.plan import EXACT_MATCHES, RECALL_SETTINGS, Settings, guide_for
from sgpd.selector import Selector
from sgpd.settings_path import WIDEST

SMALL_ARCHIVE = 20_000
"""Vectors below which, uncalibrated, scanning all takes no longer than a guide and a plan."""
LARGEST_GUIDED_K = 100
"""Above it, no settings were measured: everything is scanned."""
STALE_GROWTH = 1.2
"""Growth since a calibration that ends its promises: the tenth neighbour has come nearer."""

MOST_MATCHES = 100_000
"""More matches of a filter are never listed: their keys and vectors would be held at once."""

Way = Literal["guided", "exhaustive", "matches"]


@dataclass(frozen=True)
class Choice:
    """How a search is to be answered."""

    way: Way
    """matches: list what passes the filter, and score exactly that."""
    settings: Settings
    """Of the guided way."""
    expected_recall: float | None
    """None where no calibration covers the search."""
    reason: str
    """Why this way, and what is known of its recall, in words for people."""
    statistics: CellStatistics
    """What is known of the cells: as last calibrated, else as fitted."""
    selector: Selector | None = None
    """Fitted for searches of this direction."""


class Planner:
    """Chooses for one generation, by the calibration in force."""

    def __init__(self, bundle: Bundle, calibration: Callable[[], Calibration | None]) -> None:
        """`calibration` is asked at each choice, as it may be replaced meanwhile."""
        self._bundle = bundle
        self._calibration = calibration

    def choose(
        self, request: SearchRequest, segments: LiveSegments, matches: int | None = None
    ) -> Choice:
        """The way to answer; `matches` are the live entries that pass the filter, once counted.

        Before they are counted, a filtered search is guided widely enough for whatever comes.
        """
        known = self._calibration()
        if known is not None and known.bundle != self._bundle.digest:
            known = None
        return _Case(request, segments, matches, known, self._bundle).choice()


@dataclass(frozen=True)
class _Case:
    """One search, and all that its plan depends on."""

    request: SearchRequest
    segments: LiveSegments
    matches: int | None
    calibration: Calibration | None
    bundle: Bundle

    def choice(self) -> Choice:
        request = self.request
        if request.strategy == "exhaustive":
            return self._exactly("as asked for")
        if request.target == 1:
            return self._exactly("nothing may be missed")
        promise, doubt = self._promise()
        if promise is not None and promise.settings is None and request.strategy == "auto":
            return self._exactly(doubt)
        if promise is None and request.strategy == "auto" and request.target > self._highest:
            return self._exactly("no settings were tried for so high a recall")
        if promise is None or promise.settings is None:
            guided = self._choice("guided", None, f"{doubt}: its recall is not known")
        else:
            recall = None if doubt else promise.recall
            why = f"{doubt}: its recall is not known" if doubt else _given(promise)
            guided = self._choice("guided", recall, why, promise.settings)
        if request.where.narrows and self.matches is None:
            return replace(guided, settings=replace(guided.settings, **WIDEST))
        return guided if request.strategy == "guided" else self._cheapest(guided, promise)

    def _choice(
        self, way: Way, recall: float | None, reason: str, settings: Settings | None = None
    ) -> Choice:
        kind = self.request.kind
        statistics = self.bundle.space(kind).cells.prior
        selector = None
        if self.calibration:
            statistics = self.calibration.statistics.get(kind, statistics)
            selector = self.calibration.selectors.get(self._direction)
        return Choice(way, settings or self._default, recall, reason, statistics, selector)

    @property
    def _default(self) -> Settings:
        """The settings of searches that were not calibrated."""
        enough = (target for target in RECALL_SETTINGS if target >= self.request.target)
        found = RECALL_SETTINGS[min(enough, default=max(RECALL_SETTINGS))]
        if self.request.where.narrows:  # a wide guide was asked for already, and little is known
            return found
        return replace(found, guide_size=guide_for(self.request.depth))

    @property
    def _highest(self) -> float:
        """The highest recall for which there are settings."""
        promises = self.calibration.promises if self.calibration else ()
        return max([*RECALL_SETTINGS, *(promise.case.target for promise in promises)])

    @property
    def _direction(self) -> str:
        return direction(self.request.asked, self.request.kind)

    @property
    def _costs(self) -> Costs:
        costs = self.calibration.costs.get(self.request.kind) if self.calibration else None
        return costs or Costs()

    @property
    def _everything(self) -> float:
        """What scanning everything costs."""
        return self._costs.exhaustive(len(self.segments), len(self.segments.counts))

    @property
    def _listing(self) -> float:
        """What scoring the matches alone costs; infinite where they are not known, or too many."""
        if self.matches is None or self.matches > MOST_MATCHES:
            return math.inf
        return self._costs.matches(self.matches)

    def _promise(self) -> tuple[Promise | None, str]:
        """What was calibrated for such a search, and why it does not hold; '' where it does."""
        if self.calibration is None:
            return None, "not calibrated"
        request, rows = self.request, max(len(self.segments), 1)
        selectivity = None if self.matches is None else self.matches / rows
        kind = "" if selectivity is None else request.where.kind
        found = self.calibration.covering(
            self._direction, selectivity, request.depth, request.target, kind
        )
        if found is None:
            doubt = "no calibration covers this search"
            under = f", under a filter of its kind ({kind})" if kind else ""
            return None, doubt + under
        growth = self.calibration.growth(request.kind, rows)
        if growth > STALE_GROWTH:
            return found, f"the archive has grown {growth:.1f}-fold since it was calibrated"
        if not found.is_given:
            return found, f"calibrated on {found.queries} queries, too few for a promise"
        if found.settings is None:
            return found, "nothing cheaper than a whole scan was shown to keep the recall"
        return found, ""

    def _cheapest(self, guided: Choice, promise: Promise | None) -> Choice:
        """Of the ways that keep the recall the one that costs least."""
        spent = self._everything if promise is None else promise.microseconds
        few = self.matches is not None and self.matches <= EXACT_MATCHES
        if (few and promise is None) or self._listing < min(spent, self._everything):
            return self._choice("matches", 1.0, f"{self.matches:,} match the filter")
        if self.request.depth > LARGEST_GUIDED_K:
            return self._exactly(f"guides were tried for {LARGEST_GUIDED_K} hits at most")
        is_small = promise is None and len(self.segments) <= SMALL_ARCHIVE
        if is_small or (promise is not None and self._everything <= spent):
            return self._exactly("that takes no longer here")
        return guided

    def _exactly(self, why: str) -> Choice:
        """Without a guide; where a filter keeps few, only those are scored."""
        if self._listing < self._everything:
            return self._choice("matches", 1.0, f"{self.matches:,} match the filter")
        return self._choice("exhaustive", 1.0, f"everything is scanned: {why}")


def _given(promise: Promise) -> str:
    case = promise.case
    under = f" under filters of its kind ({case.filter})" if case.filter else ""
    return (
        f"recall {case.target:g} of the first {case.k} calibrated on {promise.queries:,} "
        f"queries{under}"
    )
