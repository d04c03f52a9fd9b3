"""The planner: the cheapest way to answer that keeps the recall asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from query_service.request import SearchRequest
from scenestore.entry import Kind
from scenestore.segments import LiveSegments
from sgpd.bundle import Bundle
from sgpd.calibration import WIDEST, Calibration, Promise
from sgpd.cells import CellStatistics
from sgpd.costs import Costs
from sgpd.plan import EXACT_MATCHES, RECALL_SETTINGS, Settings
from sgpd.selector import Selector

SMALL_ARCHIVE = 20_000
"""Vectors below which, uncalibrated, scanning all takes no longer than a guide and a plan."""
LARGEST_GUIDED_K = 100
"""Above it, no settings were measured: everything is scanned."""
STALE_GROWTH = 1.2
"""Growth since a calibration that ends its promises: the tenth neighbour has come nearer."""

Way = Literal["guided", "exhaustive", "matches"]
_WRITTEN: dict[Kind, str] = {"chip": "image", "caption": "text"}


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


class Planner:
    """Chooses for one generation, by the calibration in force."""

    def __init__(self, bundle: Bundle, calibration: Callable[[], Calibration | None]) -> None:
        """`calibration` is asked at each search, as it may be replaced meanwhile."""
        self._bundle = bundle
        self._calibration = calibration

    def calibration(self) -> Calibration | None:
        """The calibration in force, unless it is of another bundle."""
        found = self._calibration()
        return found if found and found.bundle == self._bundle.digest else None

    def statistics(self, kind: Kind) -> CellStatistics:
        """What is known of the cells: as last calibrated, else as fitted."""
        calibration = self.calibration()
        if calibration and kind in calibration.statistics:
            return calibration.statistics[kind]
        return self._bundle.space(kind).cells.prior

    def selector(self, request: SearchRequest) -> Selector | None:
        """The selector fitted for searches of this direction."""
        calibration = self.calibration()
        return calibration.selectors.get(_direction(request)) if calibration else None

    def choose(
        self, request: SearchRequest, segments: LiveSegments, matches: int | None = None
    ) -> Choice:
        """The way to answer; `matches` are the live entries that pass the filter, once counted.

        Before they are counted, a filtered search is guided widely enough for whatever comes.
        """
        default = RECALL_SETTINGS[
            min((t for t in RECALL_SETTINGS if t >= request.target), default=0.99)
        ]
        if request.strategy == "exhaustive":
            return Choice("exhaustive", default, 1.0, "everything is scanned, as asked for")
        if request.target == 1:
            return self._exactly(
                request, segments, default, matches, "the recall asked for is exact"
            )
        uncounted = request.where.narrows and matches is None
        entries = max(len(segments), 1)
        promise, doubt = self._promise(
            request, entries, 1.0 if matches is None else matches / entries
        )
        if promise is None:
            guided = Choice("guided", default, None, f"{doubt}: its recall is not known")
        elif promise.settings is None:
            if request.strategy == "auto":
                return self._exactly(request, segments, default, matches, doubt)
            guided = Choice("guided", default, None, f"{doubt}; guided, as asked for")
        else:
            recall = None if doubt else promise.recall
            guided = Choice("guided", promise.settings, recall, doubt or _given(promise))
        if uncounted:
            return replace(guided, settings=replace(guided.settings, **WIDEST))
        if request.strategy == "guided":
            return guided
        return self._cheapest(request, segments, guided, promise, matches)

    def _promise(
        self, request: SearchRequest, entries: int, selectivity: float
    ) -> tuple[Promise | None, str]:
        """What was calibrated for such a search, and why it does not hold; '' where it does."""
        calibration = self.calibration()
        if calibration is None:
            return None, "not calibrated"
        found = calibration.covering(_direction(request), selectivity, request.k, request.target)
        if found is None:
            return None, "no calibration covers this search"
        growth = calibration.growth(request.kind, entries)
        if growth > STALE_GROWTH:
            return found, f"the archive has grown {growth:.1f}-fold since it was calibrated"
        if not found.is_given:
            return found, f"calibrated on {found.queries} queries, too few for a promise"
        if found.settings is None:
            return found, "nothing cheaper than a whole scan was shown to keep the recall"
        return found, ""

    def _cheapest(
        self,
        request: SearchRequest,
        segments: LiveSegments,
        guided: Choice,
        promise: Promise | None,
        matches: int | None,
    ) -> Choice:
        """Of the ways that keep the recall the one that costs least."""
        costs = self._costs(request.kind)
        entries = len(segments)
        everything = costs.exhaustive(entries, len(segments.counts))
        if matches is not None and matches <= EXACT_MATCHES:
            few = costs.matches(matches)
            if promise is None or few < min(promise.microseconds, everything):
                return Choice("matches", guided.settings, 1.0, f"only {matches:,} match the filter")
        is_small = (
            entries <= SMALL_ARCHIVE if promise is None else everything <= promise.microseconds
        )
        if is_small or request.k > LARGEST_GUIDED_K:
            why = (
                "so many hits are wanted"
                if request.k > LARGEST_GUIDED_K
                else "the archive is small"
            )
            return self._exactly(request, segments, guided.settings, matches, why)
        return guided

    def _exactly(
        self,
        request: SearchRequest,
        segments: LiveSegments,
        settings: Settings,
        matches: int | None,
        why: str,
    ) -> Choice:
        """Without a guide; with a filter that keeps few, only those are scored."""
        costs = self._costs(request.kind)
        everything = costs.exhaustive(len(segments), len(segments.counts))
        if matches is not None and costs.matches(matches) < everything:
            return Choice("matches", settings, 1.0, f"only {matches:,} match the filter")
        return Choice("exhaustive", settings, 1.0, f"everything is scanned: {why}")

    def _costs(self, kind: Kind) -> Costs:
        calibration = self.calibration()
        return calibration.costs.get(kind, Costs()) if calibration else Costs()


def _given(promise: Promise) -> str:
    cell = promise.cell
    return f"recall {cell.target:g} of the first {cell.k} calibrated on {promise.queries:,} queries"


def _direction(request: SearchRequest) -> str:
    """What is asked and what is searched, such as text_to_image."""
    return f"{request.asked or 'vector'}_to_{_WRITTEN[request.kind]}"
