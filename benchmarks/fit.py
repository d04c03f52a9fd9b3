"""Seconds to fit 50,000 embeddings and 5,000 captions; baseline: bare coarse k-means."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from benchmarks.registry import Options
from benchmarks.synthetic import clustered
from benchmarks.timing import interleaved
from sgpd.fit import CaptionSample, FitSettings, fit, sizes

NAME = "fit"

_WORDS = ("runway", "river", "forest", "harbor", "houses", "meadow", "highway", "court")


def run(options: Options) -> dict[str, Any]:
    """Fit, all steps; the floor is FAISS's k-means of as many cells, 20 iterations."""
    count = options.size or 50_000
    x = clustered(count)
    described = min(5_000, count)
    rng = np.random.default_rng(0)
    texts = [f"some {_WORDS[a]} and a {_WORDS[b]}" for a, b in rng.integers(8, size=(described, 2))]
    captions = CaptionSample(texts, clustered(described, seed=1), np.arange(described))
    cells, prototypes = sizes(count, FitSettings())

    def bare() -> None:
        means = faiss.Kmeans(x.shape[1], cells, niter=20, spherical=True, min_points_per_centroid=1)
        means.train(x)

    seconds = interleaved(
        {"fit": lambda: fit(x, "benchmark", captions=captions), "bare": bare}, options.rounds
    )
    return {
        "figure": seconds["fit"],
        "baseline": seconds["bare"],
        "ratio": seconds["fit"] / seconds["bare"],
        "unit": "seconds",
        "embeddings": count,
        "cells": cells,
        "prototypes": prototypes,
    }
