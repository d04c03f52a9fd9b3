"""IVF, the baseline: the cells nearest to a query, as many for all or as many as each needs."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.asked import Asked, K
from benchmarks.corpus import CACHE, Corpus
from benchmarks.paths import Path
from sgpd.codebook import Codebook
from sgpd.embeddings import distinct_rows

CELL_COUNTS = (4_096, 8_192, 16_384)
_COARSE = 256
"""Cells within which the baseline's are first found, as a codebook's prototypes are."""
_ITERATIONS = 2
"""Of k-means over all chips, from there on."""
_BLOCK = 8_192


@dataclass(frozen=True, eq=False)
class Ivf:
    """Cells of the baseline: unit centroids, and the cell of each chip."""

    centroids: NDArray[np.float32]
    """Shape [C, d]."""
    cells: NDArray[np.int32]
    """Shape [N]."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Chips in each cell, shape [C]."""
        return np.bincount(self.cells, minlength=len(self.centroids)).astype(np.int64)


def inverted_file(corpus: Corpus, count: int) -> Ivf:
    """Spherical k-means over all chips by FAISS, kept on disk."""
    encoder = corpus.encoder.replace(":", "-")
    kept = CACHE / encoder / f"ivf-{len(corpus.chips)}-{count}.npz"
    if not kept.exists():
        print(f"k-means of {count} cells", file=sys.stderr, flush=True)
        centroids = _centroids(corpus.chips, count)
        draft = kept.with_suffix(".draft.npz")
        np.savez(draft, centroids=centroids, cells=_nearest(corpus.chips, centroids))
        draft.rename(kept)
    arrays = np.load(kept)
    return Ivf(arrays["centroids"], arrays["cells"])


def _centroids(x: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    start = Codebook.fit(distinct_rows(x), _COARSE, count, seed=0).prototypes
    means = faiss.Kmeans(
        x.shape[1],
        len(start),
        niter=_ITERATIONS,
        spherical=True,
        seed=0,
        min_points_per_centroid=1,
        max_points_per_centroid=len(x),
    )
    means.train(x, init_centroids=start)
    return np.asarray(means.centroids, np.float32)


def fixed(ivf: Ivf, asked: Asked) -> Path:
    """As many cells for every query."""
    return _fixed(_Probed(ivf, asked), "")


def paths(ivf: Ivf, asked: Asked, name: str) -> list[Path]:
    """Fixed and adaptive numbers of cells."""
    probed = _Probed(ivf, asked)
    return [_fixed(probed, name), _margin(probed, name), _patient(probed, name)]


def _fixed(probed: _Probed, name: str) -> Path:
    count = len(probed.asked)
    probes = _steps(probed.cell_count)
    return probed.path([f"{name}nprobe {p}" for p in probes], [np.full(count, p) for p in probes])


def _margin(probed: _Probed, name: str) -> Path:
    """Cells whose centroid scores at most so much less than the best, as SPANN prunes."""
    margins = np.geomspace(1e-3, 1, 80).tolist()
    behind = probed.products[:, :1] - probed.products
    probes = [np.count_nonzero(behind <= m, axis=1) for m in margins]
    return probed.path([f"{name}margin {m:.4f}" for m in margins], probes)


def _patient(probed: _Probed, name: str) -> Path:
    """Cells in order until so many did not change the top k."""
    near, limit = probed.asked.near, probed.cell_count
    patience = _steps(limit)
    probes = np.empty((len(patience), len(near)), np.int64)
    above = np.tri(near.shape[1], k=-1, dtype=bool)
    for i, ranks in enumerate(probed.ranks(near)):
        # A chip enters the top k if fewer than k better ones lie in cells before its own.
        better = (above & (ranks[None, :] < ranks[:, None])).sum(axis=1)
        changed = np.unique(ranks[better < K])
        # Before k of the nearest chips are seen, others fill the top k and every cell changes it.
        full = int(np.partition(ranks, K - 1)[K - 1])
        changed = np.concatenate([np.arange(full + 1), changed[changed > full]])
        gaps = np.diff(np.append(changed, limit + patience[-1]))
        stop = [changed[np.argmax(gaps > p)] + 1 + p for p in patience]
        probes[:, i] = np.minimum(stop, limit)
    return probed.path([f"{name}patience {p}" for p in patience], list(probes))


class _Probed:
    """Cells in order of nearness for each query."""

    def __init__(self, ivf: Ivf, asked: Asked) -> None:
        products = asked.queries @ ivf.centroids.T
        order = np.argsort(-products, axis=1).astype(np.int32)
        self.products = np.take_along_axis(products, order, axis=1)
        self._rank = np.empty_like(order)
        ordinals = np.arange(order.shape[1], dtype=np.int32)[None]
        np.put_along_axis(self._rank, order, np.broadcast_to(ordinals, order.shape), axis=1)
        self._scanned = np.cumsum(ivf.counts[order], axis=1, dtype=np.int32)
        self.asked = asked
        self.cell_count = len(ivf.centroids)
        self._cells = ivf.cells

    def ranks(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """How many cells come before that of each chip, [m, n]."""
        return np.take_along_axis(self._rank, self._cells[rows], axis=1)

    def path(self, settings: list[str], probes: list[NDArray[np.int64]]) -> Path:
        """What is found and scanned with so many cells [m] a query, setting by setting."""
        truth, by_image = self.ranks(self.asked.truth), self.ranks(self.asked.by_image)
        each = np.arange(len(self.asked))
        return Path(
            settings,
            np.stack([(truth < p[:, None]).mean(axis=1) for p in probes]).astype(np.float32),
            np.stack([(by_image < p[:, None]).mean(axis=1) for p in probes]).astype(np.float32),
            np.stack([self._scanned[each, p - 1] for p in probes]).astype(np.float32),
        )


def _steps(limit: int) -> list[int]:
    """Numbers of cells from 1 to the limit, a twelfth apart."""
    return sorted({round(p) for p in np.geomspace(1, limit, 90)})


def _nearest(x: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    parts = np.array_split(x, -(-len(x) // _BLOCK))
    return np.concatenate([(part @ centroids.T).argmax(axis=1) for part in parts]).astype(np.int32)
