"""The calibration of a live generation, from its own stored vectors."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from indexer.calibration.bands import band_filters, bands
from indexer.calibration.costs import measure_costs
from indexer.calibration.gallery import Gallery
from indexer.calibration.questions import Questions
from scenestore.entry import KINDS, Kind
from scenestore.filters import ANY
from scenestore.generation import Generation
from sgpd.calibration import (
    FILTERED_TERMS,
    GUIDE_SIZE,
    QUERY_TERMS,
    Calibration,
    Promise,
    Queries,
    direction,
    fit_selector,
    promises,
)
from sgpd.cells import CellStatistics
from sgpd.costs import Costs
from sgpd.plan import EXACT_MATCHES
from sgpd.replay import Replayer, Trace
from sgpd.selector import Selector
from sgpd.tracing import trace

TARGETS = (0.95, 0.99)
KS = (1, 10, 100)
DEPTH = max(KS) + 28
"""True hits that a trace holds: the largest k, and ties with the last."""
_FIT, _REPORT, _SHARE = 300, 500, 0.2
"""Queries of the fit and report splits, and the most that either takes of all."""

Say = Callable[[str], None]


def calibrate(
    generation: Generation,
    questions: Sequence[Questions],
    *,
    targets: Sequence[float] = TARGETS,
    say: Say = lambda line: None,
) -> Calibration:
    """Calibrate every direction, k, target and filter band on the questions, one of a source.

    Reads everything the generation holds, writes nothing.
    """
    asked = [one.one_a_source() for one in questions if len(one)]
    known = []
    for kind in KINDS:
        if asked and generation.documents.count(kind, ANY):
            gallery = Gallery.open(generation, kind)
            costs = measure_costs(generation, gallery, asked[0].vectors)
            one = _Searched(generation, gallery, gallery.statistics(generation), costs, targets)
            for questions_of_a_sort in asked:
                say(
                    f"{direction(questions_of_a_sort.asked, kind)}: "
                    f"{len(questions_of_a_sort):,} queries, {len(gallery):,} entries"
                )
                one.calibrate(questions_of_a_sort)
            known.append(one)
    return Calibration(
        bundle=generation.bundle.digest,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        entries={one.kind: len(one.gallery) for one in known},
        rows={one.kind: len(one.gallery.segments) for one in known},
        statistics={one.kind: one.statistics for one in known},
        costs={one.kind: one.costs for one in known},
        promises=tuple(promise for one in known for promise in one.promises),
        selectors={way: selector for one in known for way, selector in one.selectors.items()},
    )


@dataclass(frozen=True)
class _Searched:
    """A kind of entries, and what was found of searches for it."""

    generation: Generation
    gallery: Gallery
    statistics: CellStatistics
    costs: Costs
    targets: Sequence[float]
    promises: list[Promise] = field(default_factory=list)
    selectors: dict[str, Selector] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return self.gallery.kind

    def calibrate(self, questions: Questions) -> None:
        """Add the promises of a direction, and the selector that is fitted for it."""
        way = direction(questions.asked, self.kind)
        scenes = [[scene] if scene else [] for scene in questions.scenes]
        without = self.gallery.places_of(self.generation, scenes)
        parts = split(len(questions))
        everything = [("all", self.gallery.is_live)]
        whole = self._traced(questions, without, everything)
        selector = fit_selector(self._replayer([whole[i] for i in parts[0]], None), KS)
        if selector:
            self.selectors[way] = selector
        self._promise(way, 1.0, whole, questions.kinds, questions, parts)
        live = np.sort(self.gallery.keys[self.gallery.is_live])
        for band in bands(len(live), EXACT_MATCHES):
            filters = [
                (name, np.isin(self.gallery.keys, kept))
                for name, kept in band_filters(self.generation, self.kind, live, band)
            ]
            traces = self._traced(questions, without, filters, FILTERED_TERMS)
            names = [filters[i % len(filters)][0] for i in range(len(questions))]
            kinds = [f"{k} by {n}" for k, n in zip(questions.kinds, names, strict=True)]
            self._promise(way, band, traces, np.array(kinds, np.str_), questions, parts)

    def _promise(
        self,
        way: str,
        band: float,
        traces: Sequence[Trace],
        kinds: NDArray[np.str_],
        questions: Questions,
        parts: Sequence[NDArray[np.int64]],
    ) -> None:
        selector = self.selectors.get(way)
        fitted, calibrating, reported = (
            Queries(
                self._replayer([traces[i] for i in rows], selector),
                kinds[rows],
                questions.sources[rows],
            )
            for rows in parts
        )
        entries = len(self.gallery)
        for k in KS:
            self.promises.extend(
                promises(
                    *(way, band, k, self.targets),
                    *(fitted, calibrating, reported),
                    *(self.costs, entries),
                )
            )

    def _replayer(self, traces: Sequence[Trace], selector: Selector | None) -> Replayer:
        return Replayer(traces, self.statistics, self.gallery.segments.counts, selector)

    def _traced(
        self,
        questions: Questions,
        without: Sequence[NDArray[np.int64]],
        filters: Sequence[tuple[str, NDArray[np.bool_]]],
        query_terms: Sequence[int] = QUERY_TERMS,
    ) -> list[Trace]:
        """Every question looked at under one of the filters, which take turns."""
        sparsifier = self.generation.bundle.space(self.kind).sparsifier
        rows = [np.arange(first, len(questions), len(filters)) for first in range(len(filters))]
        found = chain.from_iterable(
            zip(
                chosen.tolist(),
                trace(
                    self.gallery.segments,
                    sparsifier,
                    questions.vectors[chosen],
                    depth=DEPTH,
                    query_terms=query_terms,
                    guide_size=GUIDE_SIZE,
                    allowed=kept & self.gallery.is_live,
                    without=[without[i] for i in chosen.tolist()],
                ),
                strict=True,
            )
            for chosen, (_, kept) in zip(rows, filters, strict=True)
        )
        return [traced for _, traced in sorted(found, key=lambda pair: pair[0])]


def split(count: int, seed: int = 0) -> tuple[NDArray[np.int64], ...]:
    """Rows of the fit, calibration and report splits of so many questions."""
    order = np.random.default_rng(seed).permutation(count)
    most = int(_SHARE * count)
    fitted, reported = min(_FIT, most), min(_REPORT, most)
    return order[:fitted], order[fitted + reported :], order[fitted : fitted + reported]
