"""The codebook: two-level spherical k-means, coarse cells and the prototypes within them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from sgpd.cells import nearest_centroid
from sgpd.embeddings import distinct_rows, stored
from sgpd.errors import FitError

_ITERATIONS = 10
_VECTORS_A_CENTROID = 64
"""The coarse cells of a large archive are found on a sample. At 30,000 real chips half of both
numbers changes the guide's recall by less than another seed does (`guide` benchmark's corpus)."""
_WORTH_THREADS = 100_000_000
"""Products of vectors and centroids an iteration from which threads pay."""


@dataclass(frozen=True, eq=False)
class Codebook:
    """Cells and prototypes: unit rows, rounded to fp16."""

    centroids: NDArray[np.float32]
    """Shape [C, d]; every cell holds a vector of the fit."""
    prototypes: NDArray[np.float32]
    """Shape [V, d], each row once, ordered by cell."""
    offsets: NDArray[np.int64]
    """Shape [C + 1]: prototypes `offsets[c]:offsets[c + 1]` lie in cell c."""

    @classmethod
    def fit(cls, distinct: NDArray[np.float32], cells: int, prototypes: int, seed: int) -> Codebook:
        """Fit to stored vectors [n, d], each there once.

        Cells that end up empty and prototypes that come out equal are left out, so that fewer may
        come back than asked for. FitError where more cells are asked for than vectors differ, or
        more cells than prototypes.
        """
        if cells > prototypes:
            raise FitError(
                f"{cells} cells and {prototypes} prototypes asked for; "
                "ask for at least one prototype a cell"
            )
        return cls.within(fit_cells(distinct, cells, seed), distinct, prototypes, seed)

    @classmethod
    def within(
        cls,
        centroids: NDArray[np.float32],
        distinct: NDArray[np.float32],
        prototypes: int,
        seed: int,
    ) -> Codebook:
        """Fit prototypes to stored vectors within given cells, each of which holds one of them."""
        members = nearest_centroid(distinct, centroids)
        counts = np.bincount(members, minlength=len(centroids))
        budget = _shares(counts, min(prototypes, len(distinct)))
        order = np.argsort(members, kind="stable")
        parts = np.split(distinct[order], np.cumsum(counts)[:-1])
        found = [
            distinct_rows(stored(_centroids(part, int(size), seed)))
            for part, size in zip(parts, budget, strict=True)
        ]
        offsets = np.cumsum([0, *map(len, found)])
        return cls(centroids, np.concatenate(found), offsets)


def fit_cells(distinct: NDArray[np.float32], cells: int, seed: int) -> NDArray[np.float32]:
    """Centroids [<= cells, d] of stored vectors, each there once; every cell holds one of them.

    FitError where more cells are asked for than vectors differ, or none.
    """
    if cells < 1:
        raise FitError(f"{cells} cells asked for; ask for at least one cell")
    if cells > len(distinct):
        raise FitError(
            f"{cells} cells asked for, but only {len(distinct)} different vectors are there; "
            "ask for fewer, or give more embeddings"
        )
    centroids = stored(_centroids(distinct, cells, seed))
    return centroids[np.unique(nearest_centroid(distinct, centroids))]


def _centroids(x: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """Spherical k-means; the vectors themselves where as many are asked for."""
    if count == len(x):
        return x
    means = faiss.Kmeans(
        x.shape[1],
        count,
        niter=_ITERATIONS,
        spherical=True,
        seed=seed,
        min_points_per_centroid=1,  # FAISS warns on the terminal of fewer
        max_points_per_centroid=_VECTORS_A_CENTROID,
    )
    with _one_thread() if len(x) * count < _WORTH_THREADS else nullcontext():
        means.train(np.ascontiguousarray(x))
    return np.asarray(means.centroids, np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS on one thread, for what takes seconds: where other work keeps the cores busy, threads
    that wait for one another make it 4 times (coarse) to 40 times (fine) as long."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _shares(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Split `total` in proportion to counts [C] > 0, each share from 1 to its count."""
    ideal = counts * (total / counts.sum())
    shares: NDArray[np.int64] = np.clip(np.floor(ideal).astype(np.int64), 1, counts)
    while (left := total - int(shares.sum())) > 0:
        wanting = np.flatnonzero(shares < counts)
        neediest = wanting[np.argsort(shares[wanting] - ideal[wanting], kind="stable")]
        shares[neediest[:left]] += 1
    return shares
