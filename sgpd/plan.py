"""The plan: which cells to open for what the guide may have missed, and the settings of a walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from sgpd.cells import CellStatistics


@dataclass(frozen=True)
class Settings:
    """One stop on the path from cheap to thorough; a later stop scores all that an earlier does."""

    query_terms: int
    """b: strongest terms of the query."""
    guide_size: int
    """r: sparse hits asked for."""
    patience: int
    """Different documents of the guide that may leave the top k unchanged before the walk ends."""
    open_above: float
    """lambda: cells open where the expected share of vectors above the threshold reaches it."""


RECALL_SETTINGS: Mapping[float, Settings] = MappingProxyType(
    {
        0.95: Settings(query_terms=32, guide_size=1000, patience=50, open_above=0.5),
        0.99: Settings(query_terms=32, guide_size=1000, patience=150, open_above=0.5),
    }
)
"""Settings by recall target, for a codebook fitted on the archive.

Measured with `python -m benchmarks run recall` (24,733 EuroSAT and UC Merced images under the
bundled model, queries held out by image): recall@10 of .992 for images and 1.000 for texts scoring
0.42 and 0.37 % of them; .999 and 1.000 scoring 0.84 and 0.77 %. A half-trained model needs the
margin: there an image's recall was .979 and .996, and below 0.95 at a patience of 30. A guide of
400 scores no less, and loses 0.15 for texts where the codebook has not seen their kind of scene.
Cells open only where the guide plainly failed: at 0.2 they take 2 % more and find nothing here.
"""


@dataclass(frozen=True)
class OpenedCell:
    """A cell to scan."""

    cell: int
    expected: float
    """E_c = n_c Q(z): vectors in it that are expected to beat the threshold."""


def plan_cells(
    query: NDArray[np.float32],
    threshold: float,
    statistics: CellStatistics,
    counts: NDArray[np.int64],
    settings: Settings,
) -> list[OpenedCell]:
    """The cells to open for a query [d], best first.

    `threshold` is the k-th best exact score so far (-inf while there are fewer than k: everything
    opens), `counts` [C] the live vectors (or matches of the filter) in each cell.
    """
    shares = statistics.expected_share(query, threshold)
    cells = np.flatnonzero((counts > 0) & (shares >= settings.open_above))
    cells = cells[np.lexsort((cells, -shares[cells]))]
    expected = counts[cells] * shares[cells]
    return [OpenedCell(int(c), float(e)) for c, e in zip(cells, expected, strict=True)]
