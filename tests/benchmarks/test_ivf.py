"""The baseline of the selector's benchmark does what a plain loop over cells does."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.asked import Asked, K
from benchmarks.ivf import Ivf, paths
from benchmarks.paths import Path
from tests.vectors import clustered

X = clustered(500, 1)
CENTROIDS = clustered(40, 2)
CELLS = (X @ CENTROIDS.T).argmax(axis=1).astype(np.int32)
QUERIES = clustered(20, 3)


@pytest.fixture(scope="module")
def tried() -> Path:
    near = np.argsort(-(QUERIES @ X.T), axis=1)[:, :300]
    nothing = np.empty((len(QUERIES), 0), np.float32)
    asked = Asked(QUERIES, near, near[:, :K], nothing.astype(np.int64), nothing, nothing, 0.0)
    return Path.join(paths(Ivf(CENTROIDS, CELLS), asked, ""))


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_patience_ends_after_so_many_cells_without_a_change(tried: Path, patience: int) -> None:
    setting = tried.settings.index(f"patience {patience}")
    for i, query in enumerate(QUERIES):
        scores = X @ query
        seen = np.empty(0, np.int64)
        best: set[int] = set()
        quiet = 0
        for cell in np.argsort(-(CENTROIDS @ query)):
            seen = np.append(seen, np.flatnonzero(cell == CELLS))
            now = set(seen[np.argsort(-scores[seen])][:K].tolist())
            quiet = 0 if now != best or len(now) < K else quiet + 1
            best = now
            if quiet == patience:
                break
        truth = set(np.argsort(-scores)[:K].tolist())
        assert tried.recall[setting, i] == pytest.approx(len(truth & best) / K)
        assert tried.scored[setting, i] == len(seen)


def test_the_cheapest_setting_reaches_the_target_for_least(tried: Path) -> None:
    chosen = tried.cheapest(0.9)
    assert chosen is not None
    assert tried.recall[chosen].mean() >= 0.9
    better = tried.scored.mean(axis=1) < tried.scored[chosen].mean()
    assert (tried.recall[better].mean(axis=1) < 0.9).all()
    assert tried.cheapest(1.01) is None
