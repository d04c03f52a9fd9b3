"""The calibration of a live generation, from its own stored vectors."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from indexer.calibration.bands import BANDS, band_filters
from indexer.calibration.costs import measure_costs
from indexer.calibration.questions import NAMES, Questions, own_keys
from scenestore.entry import KINDS, Kind
from scenestore.filters import ANY
from scenestore.generation import Generation
from scenestore.segments import LiveSegments
from sgpd.calibration import (
    GUIDE_SIZE,
    QUERY_TERMS,
    Calibration,
    Promise,
    Queries,
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
_BLOCK = 16_384

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Gallery:
    """The vectors of a kind as they are now."""

    kind: Kind
    segments: LiveSegments
    keys: NDArray[np.int64]
    """Shape [N]: the key at each place."""
    is_live: NDArray[np.bool_]
    """Shape [N]."""
    statistics: CellStatistics
    """Of the live vectors."""
    costs: Costs

    @classmethod
    def open(cls, generation: Generation, kind: Kind, queries: NDArray[np.float32]) -> Gallery:
        """Read every vector once, and time the parts of a search."""
        live = np.array([key for key, _ in generation.documents.live(kind)], np.int64)
        segments = generation.reader.segments(kind, holding=live)
        keys = segments.keys_at(np.arange(len(segments)))
        is_live = np.isin(keys, live)
        cells = generation.bundle.space(kind).cells
        basis = cells.prior.basis
        none = np.empty((0, basis.shape[1]), np.float32)
        statistics = CellStatistics.measure(none, np.empty(0, np.int32), len(cells), basis)
        places = np.flatnonzero(is_live)
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            vectors = segments.vectors_at(block).astype(np.float32)
            statistics += CellStatistics.measure(
                vectors, segments.cells_at(block), len(cells), basis
            )
        costs = measure_costs(generation, kind, queries, live)
        return cls(kind, segments, keys, is_live, statistics, costs)

    def __len__(self) -> int:
        return int(np.count_nonzero(self.is_live))


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
    made: list[Promise] = []
    selectors: dict[str, Selector] = {}
    galleries: dict[Kind, Gallery] = {}
    asked = [one.one_a_source() for one in questions if len(one)]
    for kind in KINDS:
        if not asked or not generation.documents.count(kind, ANY):
            continue
        gallery = galleries[kind] = Gallery.open(generation, kind, asked[0].vectors)
        for one in asked:
            direction = f"{one.asked}_to_{NAMES[kind]}"
            say(f"{direction}: {len(one):,} queries, {len(gallery):,} entries")
            found, selector = _direction(generation, gallery, one, direction, targets)
            made += found
            if selector:
                selectors[direction] = selector
    return Calibration(
        bundle=generation.bundle.digest,
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        entries={kind: len(gallery) for kind, gallery in galleries.items()},
        statistics={kind: gallery.statistics for kind, gallery in galleries.items()},
        costs={kind: gallery.costs for kind, gallery in galleries.items()},
        promises=tuple(made),
        selectors=selectors,
    )


def _direction(
    generation: Generation,
    gallery: Gallery,
    questions: Questions,
    direction: str,
    targets: Sequence[float],
) -> tuple[list[Promise], Selector | None]:
    """Promises of a direction, and the selector that was fitted for it."""
    own = own_keys(generation, gallery.kind, questions.scenes)
    without = [np.flatnonzero(np.isin(gallery.keys, keys)) if len(keys) else keys for keys in own]
    parts = split(len(questions))
    whole = _traced(generation, gallery, questions, without, [("all", gallery.is_live)])
    unaided = Replayer([whole[i] for i in parts[0]], gallery.statistics, gallery.segments.counts)
    selector = fit_selector(unaided, KS)
    made = []
    for band in (1.0, *BANDS):
        if band < 1 and band * len(gallery) <= EXACT_MATCHES:
            continue  # the planner scores so few matches exactly
        if band < 1:
            live = np.sort(gallery.keys[gallery.is_live])
            filters = [
                (name, np.isin(gallery.keys, kept))
                for name, kept in band_filters(generation, gallery.kind, live, band)
            ]
            traces = _traced(generation, gallery, questions, without, filters)
            names = [filters[i % len(filters)][0] for i in range(len(questions))]
            kinds = np.array([f"{k} by {n}" for k, n in zip(questions.kinds, names, strict=True)])
        else:
            traces, kinds = whole, questions.kinds
        fitted, calibrating, reported = (
            Queries(
                Replayer(
                    [traces[i] for i in rows],
                    gallery.statistics,
                    gallery.segments.counts,
                    selector,
                ),
                kinds[rows],
                questions.sources[rows],
            )
            for rows in parts
        )
        for k in KS:
            made += promises(
                direction,
                band,
                k,
                targets,
                fitted,
                calibrating,
                reported,
                gallery.costs,
                len(gallery),
            )
    return made, selector


def _traced(
    generation: Generation,
    gallery: Gallery,
    questions: Questions,
    without: Sequence[NDArray[np.int64]],
    filters: Sequence[tuple[str, NDArray[np.bool_]]],
) -> list[Trace]:
    """Every question looked at under one of the filters, which take turns."""
    sparsifier = generation.bundle.space(gallery.kind).sparsifier
    rows = [np.arange(first, len(questions), len(filters)) for first in range(len(filters))]
    found = chain.from_iterable(
        zip(
            chosen.tolist(),
            trace(
                gallery.segments,
                sparsifier,
                questions.vectors[chosen],
                depth=DEPTH,
                query_terms=QUERY_TERMS,
                guide_size=GUIDE_SIZE,
                allowed=kept & gallery.is_live,
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
