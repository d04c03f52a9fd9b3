"""The selector: a small learned model of how many hits a cell holds that the guide missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sgpd.candidates import FEATURES, Candidates
from sgpd.cells import CellStatistics
from sgpd.errors import FitError
from sgpd.evidence import Evidence

if TYPE_CHECKING:
    import torch

FEWEST_TRACES = 100
"""Fewer queries say nothing of what a guide misses."""

_HIDDEN = 32
_STEPS = 1_000
_BATCH = 2_048
_RATE = 5e-3
_DECAY = 1e-4
_WIDEST = 6.0
"""Standard deviations from its mean at which a feature is cut off."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What a query of the fit showed, and what its guide missed."""

    evidence: Evidence
    missed: NDArray[np.integer]
    """Shape [<= k]: the cell of each hit of the exhaustive top k that the guide's exact scores did
    not find."""


@dataclass(frozen=True, eq=False)
class Selector:
    """A perceptron with one hidden layer; its output is the share of k missed hits in a cell."""

    centre: NDArray[np.float32]
    """Shape [F]: mean of each feature in the fit."""
    scale: NDArray[np.float32]
    """Shape [F]: 1 / its standard deviation."""
    hidden: NDArray[np.float32]
    """Shape [F + 1, H]: weights, and the biases in the last row."""
    out: NDArray[np.float32]
    """Shape [H + 1]: weights, and the bias last."""

    ARRAYS = ("centre", "scale", "hidden", "out")

    @classmethod
    def fit(
        cls,
        traces: Sequence[Trace],
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
        return _trained(np.concatenate(features), np.concatenate(targets), seed)

    def expected(self, candidates: Candidates, k: int) -> NDArray[np.float32]:
        """Missed hits [s] expected in each of the candidates, 0 to k."""
        x = np.clip((candidates.features - self.centre) * self.scale, -_WIDEST, _WIDEST)
        active = np.maximum(x @ self.hidden[:-1] + self.hidden[-1], 0)
        logits = active @ self.out[:-1] + self.out[-1]
        return np.asarray(k / (1 + np.exp(-logits)), np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What is saved, by name."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Selector:
        """A selector as saved by `arrays`; ValueError where they are of another version's."""
        selector = cls(*(arrays[name] for name in cls.ARRAYS))
        if len(selector.centre) != len(FEATURES):
            raise ValueError(f"a selector of {len(selector.centre)} features, not {len(FEATURES)}")
        return selector


def _trained(x: NDArray[np.float32], y: NDArray[np.floating], seed: int) -> Selector:
    import torch  # a second that searches need not wait

    centre = x.mean(axis=0, dtype=np.float64).astype(np.float32)
    scale = 1 / np.maximum(x.std(axis=0, dtype=np.float64), 1e-3).astype(np.float32)
    inputs = torch.from_numpy(np.clip((x - centre) * scale, -_WIDEST, _WIDEST))
    targets = torch.from_numpy(y.astype(np.float32))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are small: threads would wait for one another
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = torch.nn.Linear(x.shape[1], _HIDDEN)
        out = torch.nn.Linear(_HIDDEN, 1)
        model = torch.nn.Sequential(hidden, torch.nn.ReLU(), out)
        with torch.no_grad():
            rate = min(max(float(targets.mean()), 1e-6), 0.5)
            out.bias.fill_(float(np.log(rate / (1 - rate))))
        optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS)
        for _ in range(_STEPS):
            rows = torch.randint(len(inputs), (_BATCH,))
            optimizer.zero_grad()
            logits = model(inputs[rows])[:, 0]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    torch.set_num_threads(threads)
    return Selector(centre, scale, _stacked(hidden), _stacked(out)[:, 0])


def _stacked(layer: torch.nn.Linear) -> NDArray[np.float32]:
    """Weights and, below them, biases: [inputs + 1, outputs]."""
    parts = (layer.weight.detach().numpy().T, layer.bias.detach().numpy()[None])
    return np.ascontiguousarray(np.concatenate(parts))
