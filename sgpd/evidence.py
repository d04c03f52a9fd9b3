"""Evidence: what a query's guide has shown when cells are chosen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgpd.guide import BLOCK, Guide, Scored


def enough(k: int) -> int:
    """How many vectors a guide must show: k, and a block at least, or it is of something else."""
    return max(k, BLOCK)


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

    @property
    def is_short(self) -> bool:
        """Whether the guide has shown too few vectors to tell where better ones may lie."""
        return int(np.count_nonzero(self.exact > -np.inf)) < enough(self.k)

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
