"""The plan: which cells to open for what the guide may have missed, and the settings of a walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sgpd.candidates import Candidates
from sgpd.cells import CellStatistics
from sgpd.evidence import Evidence
from sgpd.selector import Selector

Rule = Literal["expectation", "model", "both", "none"]
"""Expectation: n Q(z); model: the selector; both: the square root of their product."""


@dataclass(frozen=True)
class Settings:
    """What decides how much a search scores; higher numbers, and a lower lambda, find more."""

    query_terms: int
    """b: strongest terms of the query."""
    guide_size: int
    """r: sparse hits asked for."""
    patience: int
    """Different documents of the guide that may leave the top k unchanged before the walk ends."""
    open_above: float
    """lambda: cells open where the expected hits a vector reach it."""
    cells_by: Rule = "both"
    """What expects hits in a cell."""

    @property
    def rule(self) -> Rule:
        """What expects hits in a cell, where any cell may open at all."""
        return "none" if self.open_above >= NEVER else self.cells_by


NEVER = 2.0
"""lambda from which no cell opens, once the guide has shown k vectors; nothing is weighed then."""


RECALL_SETTINGS: Mapping[float, Settings] = MappingProxyType(
    {
        0.95: Settings(query_terms=64, guide_size=1008, patience=50, open_above=0.5),
        0.99: Settings(query_terms=64, guide_size=1008, patience=150, open_above=0.5),
    }
)
"""Settings by recall target, for a codebook fitted on the archive.

Measured with `python -m benchmarks run recall` (30,001 chips of EuroSAT and UC Merced images under
the bundled model, queries held out by image): recall@10 of .997 for images and .998 for texts
scoring 0.29 % of them; 1.000 scoring 0.63 and 0.62 %. What follows was seen with half the
prototypes. A half-trained model needs the margin: there an image's recall was .979 and .996, and
below 0.95 at a patience of 30. A guide of 400 scores no less, and loses 0.15 for texts where the
codebook has not seen their kind of scene. Cells open only where the guide plainly failed: at 0.2
they take 2 % more and find nothing.
"""


EXACT_MATCHES = 10_000
"""Up to so many matches of a filter are all scored exactly."""


ASK_ABOVE = 50_000
"""Vectors in the cells of a filtered plan from which it is worth a request to leave out those that
hold no match: scanning so many takes some 3 ms in RAM. (Decision 8.)"""


@dataclass(frozen=True)
class OpenedCell:
    """A cell to scan, and what spoke for it."""

    cell: int
    expected: float
    """Hits that scanning it is expected to add, by the rule of the settings."""
    normal: float
    """E_c = n_c Q(z): vectors in it that are expected to beat the threshold."""
    learned: float | None
    """Missed hits in it that the selector expects; None where no selector was asked."""
    guide: int
    """Documents of the guide that lie in it."""


def worth_asking(vectors: int) -> bool:
    """Whether to ask which cells hold a match, before so many vectors are scanned."""
    return vectors > ASK_ABOVE


def plan_cells(
    evidence: Evidence,
    statistics: CellStatistics,
    counts: NDArray[np.int64],
    settings: Settings,
    selector: Selector | None = None,
) -> list[OpenedCell]:
    """The cells to open for a query, best first.

    `counts` [C]: the live vectors (or matches of the filter) in each cell. Every cell opens while
    the guide has shown fewer than k vectors, and with `open_above` 0. Without a selector, cells are
    chosen by expectation.
    """
    if settings.open_above <= 0:
        return _everything(evidence, statistics, counts)
    weighed = weigh_cells(evidence, statistics, counts, settings.rule, selector)
    if weighed is None:
        return _everything(evidence, statistics, counts)
    chosen = np.flatnonzero(weighed.shares >= settings.open_above)
    chosen = chosen[np.lexsort((chosen, -weighed.shares[chosen]))]
    learned = weighed.learned
    return [
        OpenedCell(
            int(weighed.candidates.cells[i]),
            float(weighed.expected[i]),
            float(weighed.candidates.normal[i]),
            None if learned is None else float(learned[i]),
            int(weighed.candidates.guide[i]),
        )
        for i in chosen.tolist()
    ]


@dataclass(frozen=True, eq=False)
class Weighed:
    """Candidates and what is expected of each, before lambda decides."""

    candidates: Candidates
    expected: NDArray[np.floating]
    """Shape [s]: hits that scanning the cell is expected to add; 0 where no cell is to open."""
    learned: NDArray[np.float32] | None
    """Shape [s]: missed hits that the selector expects; None where none was asked."""

    @property
    def shares(self) -> NDArray[np.floating]:
        """Expected hits a vector, shape [s]: what lambda is compared with."""
        return np.asarray(self.expected / self.candidates.vectors)


def weigh_cells(
    evidence: Evidence,
    statistics: CellStatistics,
    counts: NDArray[np.int64],
    cells_by: Rule,
    selector: Selector | None = None,
) -> Weighed | None:
    """What opening each candidate is expected to add; None while nothing is known but k.

    That is while the guide has shown fewer than k vectors: every cell opens then.
    """
    if evidence.threshold == -np.inf:
        return None
    if cells_by == "none":
        return Weighed(Candidates.none(), np.empty(0), None)
    candidates = Candidates.gather(evidence, statistics, counts)
    if selector is None or cells_by == "expectation":
        return Weighed(candidates, candidates.normal, None)
    learned = selector.expected(candidates, evidence.k)
    expected = learned if cells_by == "model" else np.sqrt(learned * candidates.normal)
    return Weighed(candidates, expected, learned)


def _everything(
    evidence: Evidence, statistics: CellStatistics, counts: NDArray[np.int64]
) -> list[OpenedCell]:
    """Every cell that holds a vector, best first by expectation."""
    shares = statistics.expected_share(evidence.query, evidence.threshold)
    guide = np.bincount(evidence.cells[evidence.cells >= 0], minlength=len(counts))
    cells = np.flatnonzero(counts > 0)
    cells = cells[np.lexsort((cells, -shares[cells]))]
    expected = counts[cells] * shares[cells]
    return [
        OpenedCell(int(c), float(e), float(e), None, int(guide[c]))
        for c, e in zip(cells, expected, strict=True)
    ]
