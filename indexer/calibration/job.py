"""The calibration of a live generation, from its own stored vectors."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from indexer.calibration.bands import band_filters, bands
from indexer.calibration.costs import measure_costs
from indexer.calibration.gallery import Gallery
from indexer.calibration.questions import Questions
from scenestore.entry import KINDS, Kind
from scenestore.filters import ANY
from scenestore.generation import Generation
from sgpd.calibrating import Queries, fit_selector, promises
from sgpd.calibration import Calibration, Case, Promise, direction
from sgpd.cells import CellStatistics
from sgpd.costs import Costs
from sgpd.plan import EXACT_MATCHES
from sgpd.replay import Replayer, Trace
from sgpd.say import Say, silent
from sgpd.selector import Selector
from sgpd.settings_path import FILTERED_TERMS, GUIDE_SIZE, QUERY_TERMS, WIDEST, settings_path
from sgpd.tracing import in_turns, trace

TARGETS = (0.95, 0.99)
KS = (1, 10, 100)
DEPTH = max(KS) + 28
"""True hits that a trace holds: the largest k, and ties with the last."""
_FIT, _CALIBRATE, _REPORT = range(3)
"""The splits of the questions."""
_MOST_FITTED, _MOST_REPORTED, _SHARE = 300, 500, 0.2
"""Questions of the fit and report splits, and the most that either takes of all."""
_ASKED_UNDER = 2
"""Kinds of filters that each question of a band is asked under: every kind is calibrated alone."""


def calibrate(
    generation: Generation,
    questions: Sequence[Questions],
    *,
    targets: Sequence[float] = TARGETS,
    say: Say = silent,
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
        splits = split(len(questions))
        every = np.arange(len(questions))
        whole = self._traced(questions, without, every, [self.gallery.is_live], QUERY_TERMS, False)
        fitting = [whole[row] for row in np.flatnonzero(splits == _FIT).tolist()]
        selector = fit_selector(self._replayer(fitting, None), KS)
        if selector:
            self.selectors[way] = selector
        self._promise(way, 1.0, {"": (every, whole)}, questions, splits)
        live = np.sort(self.gallery.keys[self.gallery.is_live])
        for band in bands(len(live), EXACT_MATCHES):
            filters = band_filters(self.generation, self.kind, live, band)
            traced = {}
            for number, (name, kept) in enumerate(filters.items()):
                rows = every[(every - number) % len(filters) < _ASKED_UNDER]
                masks = [np.isin(self.gallery.keys, keys) & self.gallery.is_live for keys in kept]
                traced[name] = (
                    rows,
                    self._traced(questions, without, rows, masks, FILTERED_TERMS, True),
                )
            self._promise(way, band[0], traced, questions, splits)

    def _promise(
        self,
        way: str,
        band: float,
        traced: Mapping[str, tuple[NDArray[np.int64], Sequence[Trace]]],
        questions: Questions,
        splits: NDArray[np.int64],
    ) -> None:
        """Add the promises of a band, along one path of settings for all kinds of filters.

        traced: by kind of filter the rows of its questions, and what was found of them.
        """
        selector = self.selectors.get(way)

        def part(
            rows: NDArray[np.int64], traces: Sequence[Trace], which: int
        ) -> tuple[NDArray[np.int64], list[Trace]]:
            chosen = np.flatnonzero(splits[rows] == which)
            return rows[chosen], [traces[i] for i in chosen.tolist()]

        def queries(rows: NDArray[np.int64], traces: Sequence[Trace], which: int) -> Queries:
            ours, found = part(rows, traces, which)
            replayer = self._replayer(found, selector)
            return Queries(replayer, questions.kinds[ours], questions.sources[ours])

        fitting = self._replayer(
            [one for found in traced.values() for one in part(*found, _FIT)[1]], selector
        )
        asked = {
            name: (queries(*found, _CALIBRATE), queries(*found, _REPORT))
            for name, found in traced.items()
        }
        for k in KS:
            fixed = WIDEST if band < 1 else {}
            path = settings_path(fitting, k, self.costs, fixed) if fitting.traces else ()
            for name, (calibrating, reported) in asked.items():
                cases = [Case(way, band, k, target, name) for target in self.targets]
                self.promises.extend(
                    promises(cases, path, calibrating, reported, self.costs, len(self.gallery))
                )

    def _replayer(self, traces: Sequence[Trace], selector: Selector | None) -> Replayer:
        return Replayer(traces, self.statistics, self.gallery.segments.counts, selector)

    def _traced(
        self,
        questions: Questions,
        without: Sequence[NDArray[np.int64]],
        rows: NDArray[np.int64],
        filters: Sequence[NDArray[np.bool_]],
        query_terms: Sequence[int],
        narrowed: bool,
    ) -> list[Trace]:
        """The questions of the rows, each looked at under one of the filters.

        narrowed: whether they are filters, not just what lives.
        """
        sparsifier = self.generation.bundle.space(self.kind).sparsifier

        def look(turn: NDArray[np.int64], allowed: NDArray[np.bool_]) -> Iterator[Trace]:
            return trace(
                self.gallery.segments,
                sparsifier,
                questions.vectors[rows[turn]],
                depth=DEPTH,
                query_terms=query_terms,
                guide_size=GUIDE_SIZE,
                allowed=allowed,
                without=[without[i] for i in rows[turn].tolist()],
                narrowed=narrowed,
            )

        return in_turns(len(rows), filters, look)


def split(count: int, seed: int = 0) -> NDArray[np.int64]:
    """The split, to fit on, to calibrate on or to report, of each of so many questions."""
    splits = np.full(count, _CALIBRATE)
    most = int(_SHARE * count)
    fitted, reported = min(_MOST_FITTED, most), min(_MOST_REPORTED, most)
    splits[:fitted] = _FIT
    splits[fitted : fitted + reported] = _REPORT
    return np.random.default_rng(seed).permutation(splits)
