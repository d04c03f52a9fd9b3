"""Percent of real images scored for recall@10 = 0.99, guided; baseline: IVF over the same cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.corpus import SIZES, Corpus, Split, open_corpus
from benchmarks.registry import Options
from sgpd.bundle import Space
from sgpd.fit import fit
from sgpd.metrics import recall_at_k
from sgpd.plan import RECALL_SETTINGS, Settings
from sgpd.retriever import Result, Retriever

NAME = "recall"
K = 10
_QUERIES = 600
"""Of each kind, at most."""


@dataclass(frozen=True)
class Measured:
    """What a way of searching gave over many queries."""

    recall: float
    """Mean recall@10 against exhaustive search."""
    scanned: float
    """Mean percentage of the gallery scored."""


class Trial:
    """The corpus, its bundle, and queries of a split with the truth about them."""

    def __init__(self, corpus: Corpus, split: Split) -> None:
        self.bundle = fit(corpus.chips, corpus.encoder, captions=corpus.captions)
        self.space: Space = self.bundle.space("chip")
        self.images = corpus.chips
        self.retriever = Retriever(self.space, corpus.chips)
        self.queries = {
            name: corpus.queries[kind].part(split).vectors[:_QUERIES]
            for name, kind in {"image": "image", "text": "rsicd"}.items()
        }
        self.truth = {
            kind: self.retriever.search(queries, K, "exhaustive")
            for kind, queries in self.queries.items()
        }

    def measure(self, kind: str, settings: Settings) -> Measured:
        """Search all queries of a kind."""
        return self._against_truth(kind, self.retriever.search(self.queries[kind], K, settings))

    def inverted_file(self, kind: str, target: float) -> Measured:
        """Search the cells nearest to the query, the fewest (for all queries) that reach target."""
        cells = self.space.cells.assign(self.images)
        sizes = np.bincount(cells, minlength=len(self.space.cells))
        queries = self.queries[kind]
        nearest = np.argsort(-(queries @ self.space.cells.centroids.T), axis=1)
        rank = np.empty_like(nearest)
        np.put_along_axis(rank, nearest, np.arange(len(sizes))[None, :], axis=1)
        needed = np.array(
            [rank[i, cells[result.keys]] for i, result in enumerate(self.truth[kind])]
        )
        probes = next(p for p in range(1, len(sizes) + 1) if (needed < p).mean() >= target)
        scanned = sizes[nearest[:, :probes]].sum(axis=1).mean()
        return Measured(float((needed < probes).mean()), 100 * float(scanned) / len(cells))

    def _against_truth(self, kind: str, results: list[Result]) -> Measured:
        pairs = zip(results, self.truth[kind], strict=True)
        recall = np.mean([recall_at_k(found.scores, best.scores) for found, best in pairs])
        scanned = np.mean([result.scanned for result in results])
        return Measured(float(recall), 100 * float(scanned) / len(self.images))


def trial(options: Options, split: Split) -> Trial:
    """The trial on the corpus that the options name."""
    return Trial(open_corpus(options.data, options.size or SIZES[0]), split)


def run(options: Options) -> dict[str, Any]:
    """Measure the settings of both targets for image and text queries."""
    on = trial(options, "report")
    table = {
        str(target): {kind: vars(on.measure(kind, settings)) for kind in on.queries}
        for target, settings in RECALL_SETTINGS.items()
    }
    cells = {kind: vars(on.inverted_file(kind, 0.99)) for kind in on.queries}
    figure, baseline = _mean_scanned(table["0.99"]), _mean_scanned(cells)
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "percent of the gallery scored, mean of image and text queries",
        "gallery": dict(on.bundle.fitted),
        "guided": table,
        "inverted_file": cells,
    }


def _mean_scanned(by_kind: Mapping[str, Mapping[str, float]]) -> float:
    return sum(row["scanned"] for row in by_kind.values()) / len(by_kind)
