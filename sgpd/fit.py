"""Fit: from embeddings to a bundle."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sgpd.autoencoder import AutoencoderSparsifier
from sgpd.bundle import Bundle, Space
from sgpd.caption_words import CaptionWordSparsifier
from sgpd.cells import Cells, CellStatistics, nearest_centroid
from sgpd.codebook import Codebook, fit_cells
from sgpd.concepts import Concepts, ConceptTexts
from sgpd.embeddings import checked, distinct_rows, stored
from sgpd.errors import FitError
from sgpd.frequencies import Frequencies
from sgpd.lexicon import Lexicon
from sgpd.plan import RECALL_SETTINGS
from sgpd.prototypes import MixtureSettings, PrototypeSparsifier
from sgpd.say import Say, silent
from sgpd.sparsifier import Sparsifier
from sgpd.term_names import by_chip, chip_words
from sgpd.training.examples import Examples
from sgpd.words import term_words

VECTORS_PER_PROTOTYPE = 2
"""Measured with `python -m benchmarks run guide` at 30,000 to 300,000 real chips: against 4, a
guide is as good after two thirds of its documents, whether the codebook has seen them or not. Fewer
documents hold each term, so that a query takes twice the terms (`sgpd.plan`)."""
MOST_PROTOTYPES = 131_072
"""From 262,144 vectors on. The time to fit, to code and to ask hardly depends on it; the bundle
grows by 1 KiB each at 256 dimensions."""
VECTORS_PER_CELL = 64
MOST_CELLS = 2_048
"""Planning over so many takes 0.2 ms, and their statistics 10 MB."""

_SAMPLED_QUERIES = 256
_LEAST_SAMPLE = 4_096
"""Documents whose codes are counted; as many as terms, where those are more."""


SparsifierName = Literal["prototypes", "autoencoder", "caption-words"]
SPARSIFIERS: tuple[SparsifierName, ...] = get_args(SparsifierName)


@dataclass(frozen=True)
class FitSettings:
    """Numbers of a fit; None where the number of vectors decides."""

    cells: int | None = None
    prototypes: int | None = None
    """Terms; of caption-words at most so many."""
    seed: int = 0
    sparsifier: SparsifierName = "prototypes"
    """What makes codes; `python -m benchmarks run sparsifiers` compares them."""
    steps: int = 300
    """Of training, where the sparsifier is learned."""
    neighbours: int = 16
    """This and what follows: of prototypes."""
    terms_per_document: int = 8
    sweeps: int = 25


@dataclass(frozen=True, eq=False)
class CaptionSample:
    """Captions to name prototypes by, and to fit the captions' own space on."""

    texts: Sequence[str]
    embeddings: ArrayLike
    """Shape [m, d], of the texts."""
    rows: Sequence[int] | NDArray[np.integer]
    """For each text the row of the fitted embeddings that it describes, or -1."""


_Made = PrototypeSparsifier | AutoencoderSparsifier | CaptionWordSparsifier


def fit(
    embeddings: ArrayLike,
    encoder: str,
    *,
    captions: CaptionSample | None = None,
    concepts: ConceptTexts | None = None,
    settings: FitSettings = FitSettings(),
    progress: Say | None = None,
) -> Bundle:
    """Fit a bundle on embeddings [n, d] of `encoder`, and on captions where there are any.

    With `concepts`, as the encoder reads them, entries get plain words.
    The bundle is the same to the last bit for the same input, seed, thread count and libraries on
    one machine. Raises EmbeddingError, and FitError where the settings ask for the impossible.
    """
    report = progress or silent
    unit_rows = checked(embeddings)
    if not len(unit_rows):
        raise FitError("no embeddings to fit on; give at least one")
    _note_changed(unit_rows, np.asarray(embeddings, np.float32), report)
    x = stored(unit_rows)
    spaces = {}
    fitted: dict[str, object] = {"sparsifier": settings.sparsifier, "seed": settings.seed}
    texts, y, rows = _checked_captions(captions, x)
    learned = _learned(x, texts, y, rows, settings, report)
    sparsifier, cells = _fit_kind("chip", x, settings, learned, report)
    with _timed("chip words", report):
        plain = Concepts.fit(concepts, x, by_chip(texts, rows)) if concepts else None
        words = chip_words(sparsifier, x, texts, y, rows, plain)
    spaces["chip"] = Space(cells, _named(sparsifier, words), plain)
    if len(texts):
        sparsifier, cells = _fit_kind("caption", y, settings, learned, report)
        with _timed("caption words", report):
            words = term_words(sparsifier.encode_documents(y), texts, len(sparsifier.lexicon))
            plain = (
                Concepts.fit(concepts, y, {i: [text] for i, text in enumerate(texts)})
                if concepts
                else None
            )
        spaces["caption"] = Space(cells, _named(sparsifier, words), plain)
    if concepts is not None:
        fitted["concepts"] = len(concepts.names)
    for kind, space in spaces.items():
        vectors = x if kind == "chip" else y
        fitted[kind] = {
            "vectors": len(vectors),
            "cells": len(space.cells),
            **_frequencies(
                kind, space.sparsifier, vectors, {"images": x, "texts": y}, settings, report
            ),
        }
    return Bundle(encoder, x.shape[1], spaces, fitted)


def sizes(vectors: int, settings: FitSettings) -> tuple[int, int]:
    """How many cells and prototypes to ask for, given the number of different vectors."""
    cells = settings.cells or min(max(vectors // VECTORS_PER_CELL, 1), MOST_CELLS)
    prototypes = min(max(vectors // VECTORS_PER_PROTOTYPE, cells), MOST_PROTOTYPES)
    return cells, settings.prototypes or prototypes


def _learned(
    x: NDArray[np.float32],
    texts: Sequence[str],
    y: NDArray[np.float32],
    rows: NDArray[np.int64],
    settings: FitSettings,
    report: Say,
) -> AutoencoderSparsifier | CaptionWordSparsifier | None:
    """A sparsifier that is trained once and serves all kinds; None where each has prototypes."""
    if settings.sparsifier not in SPARSIFIERS:
        names = ", ".join(SPARSIFIERS)
        raise FitError(f"no sparsifier is called {settings.sparsifier!r}; choose one of {names}")
    if settings.sparsifier == "prototypes":
        return None
    examples = Examples(x, y, rows)
    with _timed(settings.sparsifier, report):
        if settings.sparsifier == "autoencoder":
            return AutoencoderSparsifier.fit(
                examples, settings.prototypes, settings.steps, settings.seed, report
            )
        return CaptionWordSparsifier.fit(
            examples, texts, settings.prototypes, settings.steps, settings.seed, report
        )


def _fit_kind(
    kind: str,
    x: NDArray[np.float32],
    settings: FitSettings,
    learned: AutoencoderSparsifier | CaptionWordSparsifier | None,
    report: Say,
) -> tuple[_Made, Cells]:
    """The kind's sparsifier, terms not named yet, and its cells."""
    sparsifier: _Made
    with _timed(f"{kind} codebook", report):
        distinct = distinct_rows(x)
        cells, prototypes = sizes(len(distinct), settings)
        if learned is None:
            codebook = Codebook.fit(distinct, cells, prototypes, settings.seed)
            centroids = codebook.centroids
            made = MixtureSettings(
                settings.neighbours, settings.terms_per_document, settings.sweeps
            )
            unnamed = Lexicon((None,) * len(codebook.prototypes))
            sparsifier = PrototypeSparsifier(codebook.prototypes, unnamed, made, codebook.offsets)
        else:
            centroids = fit_cells(distinct, cells, settings.seed)
            sparsifier = learned
    if 2 * len(distinct) <= len(x):
        report(
            f"{kind}: only {len(distinct):,} of {len(x):,} vectors differ; the others are copies"
        )
    with _timed(f"{kind} statistics", report):
        basis = _principal_axes(x)
        members = nearest_centroid(x, centroids)
        prior = CellStatistics.measure(x, members, len(centroids), basis)
    largest = int(prior.counts.max())
    if len(centroids) > 1 and 2 * largest > len(x):
        report(f"{kind}: one cell holds {largest:,} of {len(x):,} vectors, which it opens as one")
    return sparsifier, Cells(centroids, prior)


def _named(sparsifier: _Made, words: Sequence[str | None]) -> Sparsifier:
    """The sparsifier with words for its terms, unless they are words by construction."""
    if isinstance(sparsifier, CaptionWordSparsifier):
        return sparsifier
    return replace(sparsifier, lexicon=Lexicon(tuple(words)))


def _note_changed(rows: NDArray[np.float32], given: NDArray[np.float32], report: Say) -> None:
    changed = int(np.count_nonzero((rows != given).any(axis=1)))
    if changed:
        report(f"embeddings: {changed:,} of {len(rows):,} rows brought to unit length")


def _checked_captions(
    captions: CaptionSample | None, x: NDArray[np.float32]
) -> tuple[Sequence[str], NDArray[np.float32], NDArray[np.int64]]:
    if captions is None or not len(captions.texts):
        return (), np.empty((0, x.shape[1]), np.float32), np.empty(0, np.int64)
    y = stored(checked(captions.embeddings, x.shape[1], "caption embeddings"))
    rows = np.asarray(captions.rows, np.int64)
    if not len(captions.texts) == len(y) == len(rows):
        raise FitError(
            f"{len(captions.texts)} captions, {len(y)} embeddings of captions and {len(rows)} rows "
            "given; give one of each for every caption"
        )
    strange = rows[(rows < -1) | (rows >= len(x))]
    if len(strange):
        raise FitError(
            f"a caption describes row {strange[0]}, but there are {len(x)} embeddings; "
            "give the row that it describes, or -1 for none"
        )
    return captions.texts, y, rows


def _frequencies(
    kind: str,
    sparsifier: Sparsifier,
    x: NDArray[np.float32],
    queries: Mapping[str, NDArray[np.float32]],
    settings: FitSettings,
    report: Say,
) -> dict[str, float]:
    """How evenly a sample of the documents [n, d] uses the terms, and what queries touch."""
    rng = np.random.default_rng(settings.seed)
    terms = len(sparsifier.lexicon)
    terms_a_query = RECALL_SETTINGS[0.99].query_terms

    def sample(rows: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        return rows[np.sort(rng.choice(len(rows), min(size, len(rows)), replace=False))]

    with _timed(f"{kind} document frequencies", report):
        codes = sparsifier.encode_documents(sample(x, max(terms, _LEAST_SAMPLE)))
        found = Frequencies.of(codes, terms)
        asked = {
            name: sparsifier.encode_queries(sample(rows, _SAMPLED_QUERIES), terms_a_query)
            for name, rows in queries.items()
        }
        return {**found.summary(), **found.touched_by(**asked)}


def _principal_axes(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Principal axes of vectors [n, d] in rows, the widest first."""
    centred = x - x.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return np.ascontiguousarray(axes.T[::-1], dtype=np.float32)


@contextmanager
def _timed(step: str, report: Say) -> Iterator[None]:
    started = time.perf_counter()
    yield
    report(f"{step}: {time.perf_counter() - started:.1f} s")
