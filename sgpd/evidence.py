"""Evidence: what a query's guide has shown when cells are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgpd.guide import Guide, Scored


@dataclass(frozen=True, eq=False)
class Evidence:
    """One query, its guide in order, and the exact scores of as much of it as was read."""

    query: NDArray[np.float32]
    """Shape [d]: unit length."""
    k: int
    threshold: float
    """theta: the k-th best exact score; -inf while there are fewer than k."""
    cells: NDArray[np.int32]
    """Shape [r]: the cell of each guide document; -1 where it is not known."""
    sparse: NDArray[np.float32]
    """Shape [r]: sparse scores."""
    exact: NDArray[np.float32]
    """Shape [r]: exact scores, -inf where not scored."""

    @classmethod
    def of(
        cls,
        query: NDArray[np.float32],
        k: int,
        guide: Guide,
        scored: Scored,
        cells: NDArray[np.int32],
    ) -> Evidence:
        """What a guide, its scored documents and the cells [r] of its documents show."""
        exact = np.full(len(guide.keys), -np.inf, np.float32)
        exact[scored.places] = scored.scores
        count = len(scored.scores)
        threshold = -np.inf if count < k else np.partition(scored.scores, count - k)[count - k]
        return cls(query, k, float(threshold), cells, guide.scores, exact)
