"""The selector: a small learned model of how many hits a cell holds that the guide missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.candidates import FEATURES, Candidates
from sgpd.cells import CellStatistics
from sgpd.errors import FitError
from sgpd.evidence import Evidence
from sgpd.perceptron import Perceptron

FEWEST_TRACES = 100
"""Fewer queries say nothing of what a guide misses."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a query of the fit showed, and what its guide missed."""

    evidence: Evidence
    missed: NDArray[np.integer]
    """Shape [<= k]: the cell of each hit of the exhaustive top k that the guide's exact scores did
    not find."""


@dataclass(frozen=True, eq=False)
class Selector:
    """Expects missed hits from what speaks for a cell."""

    model: Perceptron
    """From FEATURES to the share of k that a cell holds."""

    @classmethod
    def fit(
        cls,
        traces: Sequence[Shown],
        statistics: CellStatistics,
        counts: NDArray[np.int64],
        seed: int = 0,
    ) -> Selector:
        """Fit to traces of queries that have a threshold; the same for the same seed and input.

        The target of a cell is its missed hits / k, the loss cross-entropy. Mix the kinds of
        queries, and the depths to which their guides were scored. FitError below FEWEST_TRACES.
        """
        if len(traces) < FEWEST_TRACES:
            raise FitError(
                f"{len(traces)} queries to fit the selector on; give at least {FEWEST_TRACES}, "
                "or open cells by expectation alone"
            )
        features, targets = [], []
        for trace in traces:
            candidates = Candidates.gather(trace.evidence, statistics, counts)
            missed = np.bincount(trace.missed, minlength=len(counts))
            features.append(candidates.features)
            targets.append(missed[candidates.cells] / trace.evidence.k)
        return cls(Perceptron.fit(np.concatenate(features), np.concatenate(targets), seed))

    def expected(self, candidates: Candidates, k: int) -> NDArray[np.float32]:
        """Missed hits [s] expected in each of the candidates, 0 to k."""
        return k * self.model(candidates.features)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved, by name."""
        return self.model.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Selector:
        """A selector as saved by `arrays`; ValueError where they are of another version's."""
        model = Perceptron.from_arrays(arrays)
        if len(model.centre) != len(FEATURES):
            raise ValueError(f"a selector of {len(model.centre)} features, not {len(FEATURES)}")
        return cls(model)
