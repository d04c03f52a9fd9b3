"""Percent of the postings that a text query touches; baseline: vectors in cells of equal recall.

Recall@r: share of the exhaustive top 10 that is among the r best sparse hits. Measured at every
size of the corpus up to `--size` on the report split: no chip comes from a query's image. The rows:

- `fit`: what `sgpd.fit` chooses, fitted on all chips;
- other numbers of prototypes V and of terms a document a, and weights rescaled to sum to 1;
- `grown by a fifth`, `doubled`: fitted on the chips of 5/6 and of half of the images, as an archive
  that has grown since. `unseen`: the same recall over neighbours whose image the codebook has not
  seen.

Each row has the query terms b, and for each kind of query the share of N that b postings lists hold
together (`touched`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import SIZES, Corpus, open_corpus
from benchmarks.registry import Options
from sgpd.cells import nearest_centroid
from sgpd.codebook import Codebook, fit_cells
from sgpd.codes import Codes
from sgpd.embeddings import distinct_rows
from sgpd.fit import FitSettings, sizes
from sgpd.frequencies import Frequencies
from sgpd.lexicon import Lexicon
from sgpd.postings import Postings
from sgpd.prototypes import MixtureSettings, PrototypeSparsifier
from sgpd.scoring import top

NAME = "guide"
K = 10
DEPTHS = (100, 400, 1000)
QUERY_TERMS = (32, 64, 128)
_QUERIES = 500
"""Of each kind, at most."""
_MOST_RECALL = 0.99
"""That the baseline is asked for: the last neighbours of a thousand queries may lie anywhere."""
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Asked:
    """Queries of a kind and the truth about them."""

    vectors: NDArray[np.float32]
    """Shape [m, d]."""
    best: NDArray[np.int64]
    """Shape [m, K]: the chips nearest, exhaustively."""


@dataclass(frozen=True)
class Variant:
    """A way to make codes."""

    name: str
    prototypes: float = 1.0
    """Times as many as `fit` would take."""
    terms: int = MixtureSettings().terms_per_document
    seen: float = 1.0
    """Share of the images that the codebook is fitted on."""
    rescaled: bool = False


VARIANTS = (
    Variant("fit"),
    Variant("grown by a fifth", seen=5 / 6),
    Variant("doubled", seen=1 / 2),
    Variant("V / 2", prototypes=0.5),
    Variant("V x 2", prototypes=2.0),
    Variant("a = 4", terms=4),
    Variant("rescaled", rescaled=True),
)


def run(options: Options) -> dict[str, Any]:
    """All variants at all sizes; figure and baseline at the largest, with 64 query terms."""
    largest = options.size or SIZES[-1]
    tables = {
        size: list(_table(open_corpus(options.data, size)))
        for size in (*(size for size in SIZES if size < largest), largest)
    }
    row = next(row for row in tables[largest] if row["b"] == 64)
    figure, baseline = 100 * row["rsicd"]["touched"], 100 * row["rsicd"]["cells"]
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "percent of the chips",
        "tables": tables,
    }


def _table(corpus: Corpus) -> Iterator[dict[str, Any]]:
    asked = {kind: queries(corpus, kind) for kind in corpus.queries}
    images = np.unique(corpus.source)
    order = np.random.default_rng(0).permutation(images)
    cells: dict[float, NDArray[np.float32]] = {}
    for variant in VARIANTS:
        seen = np.isin(corpus.source, order[: round(variant.seen * len(images))])
        if variant.seen not in cells:
            distinct = distinct_rows(corpus.chips[seen])
            cells[variant.seen] = fit_cells(distinct, sizes(len(distinct), FitSettings())[0], 0)
        codebook = _within(cells[variant.seen], corpus.chips[seen], variant)
        settings = MixtureSettings(terms_per_document=variant.terms)
        unnamed = Lexicon((None,) * len(codebook.prototypes))
        made = PrototypeSparsifier(codebook.prototypes, unnamed, settings, codebook.offsets)
        codes = made.encode_documents(corpus.chips)
        codes = _rescaled(codes) if variant.rescaled else codes
        postings = Postings.build(codes)
        frequencies = Frequencies.of(codes, len(codebook.prototypes))
        for b in QUERY_TERMS:
            found = {}
            for kind, one in asked.items():
                asking = made.encode_queries(one.vectors, b)
                touched = {"touched": frequencies.touched(asking)}
                found[kind] = touched | recalls(postings, asking, one.best, seen)
            row = {"variant": variant.name, "V": len(codebook.prototypes), "a": variant.terms}
            if variant == VARIANTS[0]:
                for kind, one in asked.items():
                    recall = min(found[kind]["@400"], _MOST_RECALL)
                    share = _share_of_cells(codebook, corpus.chips, one, recall)
                    found[kind] = {**found[kind], "cells": share}
            yield {**row, "b": b, **found}


def _within(cells: NDArray[np.float32], x: NDArray[np.float32], variant: Variant) -> Codebook:
    distinct = distinct_rows(x)
    prototypes = round(variant.prototypes * sizes(len(distinct), FitSettings())[1])
    return Codebook.within(cells, distinct, max(prototypes, len(cells)), 0)


def queries(corpus: Corpus, kind: str) -> Asked:
    """Queries of the report split, drawn at random, and their nearest chips."""
    all_of_them = corpus.queries[kind].part("report").vectors
    drawn = np.random.default_rng(0).permutation(len(all_of_them))[:_QUERIES]
    x = all_of_them[drawn]
    best = np.empty((len(x), K), np.int64)
    for start in range(0, len(x), _BLOCK):
        scores = x[start : start + _BLOCK] @ corpus.chips.T
        best[start : start + _BLOCK] = np.argpartition(scores, -K, axis=1)[:, -K:]
    return Asked(x, best)


def recalls(
    postings: Postings,
    asking: Codes,
    best: NDArray[np.int64],
    seen: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Recall at each depth, over all neighbours and over those that the codebook has not seen."""
    found = np.empty((len(DEPTHS), *best.shape), np.bool_)
    for i, code in enumerate(asking):
        rows, scores = postings.scores(*code)
        guide = top(rows, scores, DEPTHS[-1])[0]
        for depth, hits in zip(DEPTHS, found, strict=True):
            hits[i] = np.isin(best[i], guide[:depth])
    result = {f"@{depth}": float(hits.mean()) for depth, hits in zip(DEPTHS, found, strict=True)}
    unseen = ~seen[best] if seen is not None else np.zeros(best.shape, np.bool_)
    if unseen.any():
        result |= {
            f"unseen@{depth}": float(hits[unseen].mean())
            for depth, hits in zip(DEPTHS, found, strict=True)
        }
    return result


def _share_of_cells(
    codebook: Codebook, chips: NDArray[np.float32], asked: Asked, recall: float
) -> float:
    """Share of the chips in the nearest cells, the fewest that hold so much of the truth."""
    cells = nearest_centroid(chips, codebook.centroids)
    sizes = np.bincount(cells, minlength=len(codebook.centroids))
    nearest = np.argsort(-(asked.vectors @ codebook.centroids.T), axis=1)
    rank = np.argsort(nearest, axis=1)
    needed = np.sort(np.take_along_axis(rank, cells[asked.best], axis=1), axis=None)
    probes = int(needed[min(int(np.ceil(recall * len(needed))), len(needed)) - 1]) + 1
    return float(sizes[nearest[:, :probes]].sum(axis=1).mean() / len(chips))


def _rescaled(codes: Codes) -> Codes:
    """The same codes, the weights of each summing to 1."""
    sums = np.add.reduceat(codes.weights, codes.indptr[:-1])
    return replace(codes, weights=codes.weights / np.repeat(sums, np.diff(codes.indptr))).rounded()
