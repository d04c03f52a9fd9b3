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
    cover: float = 1.0
    """Where the guide has shown too few documents (fewer than k, or 16): share of the hits expected
    in all cells which those that open must hold; 1: every cell with a match opens."""
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
        0.95: Settings(query_terms=64, guide_size=1008, patience=50, open_above=0.5, cover=0.99),
        0.99: Settings(query_terms=64, guide_size=1008, patience=150, open_above=0.5, cover=0.9999),
    }
)
"""Settings by recall target, for a codebook fitted on the archive.

Measured on 30,001 chips of EuroSAT and UC Merced images under the bundled model and codebook
settings as they are, queries held out by image. `python -m benchmarks run recall`: recall@10 of
.997 for images and .998 for texts scoring 0.29 % of them; 1.000 scoring 0.63 and 0.62 %.
`python -m benchmarks run settings`: a patience of 30 finds .995 and .993, one of 60 .999 and .998;
the rest is margin, for models and codebooks that know less of what they are asked. A guide of 400
finds and scores what one of 1,000 does; where cells open at 0.05, images take 4 % and texts 0.5 %
more, and find what another 50 documents do. Cover is the most that calibration asked for, under
filters that keep a tenth of 100,006 chips (decision 24): .98 and .9999.
"""


def guide_for(k: int) -> int:
    """Sparse hits to ask for where no calibration says how many: 400 for 10 hits, 1,008 from 26 on.

    Measured at 300,004 real chips under the settings for 0.99, as recall@k of 300 images and 300
    texts that no figure is reported of. Of the first 10 a guide of 400 finds .995 and .999, one of
    1,008 .996 and .999, scoring as many; of the first 50 .992 and .994 against .999 and .994. What
    is left out is 600 hits to send, to parse and to look up.
    """
    return min(max(40 * k, 400), 1_008)


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
    matches: NDArray[np.int64] | None = None,
) -> list[OpenedCell]:
    """The cells to open for a query, best first.

    `counts` [C]: the vectors in each cell. `matches` [C]: those of them that the search may return,
    if a filter leaves any out; they are looked at only where the guide has shown too few
    documents. Every cell with a match opens with `open_above` 0. Without a selector, cells are
    chosen by expectation.
    """
    if evidence.is_short or settings.open_above <= 0:
        cover = 1.0 if settings.open_above <= 0 else settings.cover
        return _covering(evidence, statistics, counts, matches, cover)
    weighed = weigh_cells(evidence, statistics, counts, settings.rule, selector)
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
) -> Weighed:
    """What opening each candidate is expected to add; the guide has shown k vectors."""
    if cells_by == "none":
        return Weighed(Candidates.none(), np.empty(0), None)
    candidates = Candidates.gather(evidence, statistics, counts)
    if selector is None or cells_by == "expectation":
        return Weighed(candidates, candidates.normal, None)
    learned = selector.expected(candidates, evidence.k)
    expected = learned if cells_by == "model" else np.sqrt(learned * candidates.normal)
    return Weighed(candidates, expected, learned)


@dataclass(frozen=True, eq=False)
class Matches:
    """Cells with a match, best first, where the guide has shown too few documents.

    The k-th score is not known then, but where k matches are expected above it.
    """

    k: int
    cells: NDArray[np.intp]
    """Shape [s]: in order of the hits that are expected a vector."""
    held: NDArray[np.int64]
    """Shape [s]: matches in each."""
    expected: NDArray[np.floating]
    """Shape [s]: how many of the k nearest matches each is expected to hold."""

    @classmethod
    def weigh(
        cls,
        query: NDArray[np.float32],
        k: int,
        known: float,
        statistics: CellStatistics,
        counts: NDArray[np.int64],
        matches: NDArray[np.int64],
    ) -> Matches:
        """What the cells of `counts` [C] vectors and `matches` [C] are expected to hold.

        The k-th score is at least `known`.
        """
        threshold = max(statistics.expected_threshold(query, matches, k), known)
        expected = matches * statistics.expected_share(query, threshold)
        cells = np.flatnonzero((matches > 0) & (counts > 0))
        cells = cells[np.lexsort((cells, -expected[cells] / counts[cells]))]
        return cls(k, cells, matches[cells], expected[cells])

    def reach(self, cover: float) -> int:
        """How many of the first cells hold that share of what is expected, and k matches."""
        if cover >= 1:
            return len(self.cells)
        covered = np.cumsum(self.expected)
        enough = int(np.searchsorted(covered, cover * float(self.expected.sum()))) + 1
        several = int(np.searchsorted(np.cumsum(self.held), self.k)) + 1
        return min(max(enough, several), len(self.cells))


def _covering(
    evidence: Evidence,
    statistics: CellStatistics,
    counts: NDArray[np.int64],
    matches: NDArray[np.int64] | None,
    cover: float,
) -> list[OpenedCell]:
    """Cells that are expected to hold that share of the answer, best first."""
    held = counts if matches is None else matches
    k, known = evidence.k, evidence.threshold
    weighed = Matches.weigh(evidence.query, k, known, statistics, counts, held)
    guide = np.bincount(evidence.cells[evidence.cells >= 0], minlength=len(counts))
    stop = weighed.reach(cover)
    return [
        OpenedCell(c, e, e, None, int(guide[c]))
        for c, e in zip(weighed.cells[:stop].tolist(), weighed.expected.tolist(), strict=False)
    ]
