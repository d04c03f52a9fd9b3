"""The benchmark corpus in cells and codes of its own codebook, kept on disk."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.corpus import CACHE, Corpus
from indexer.coding import top_terms
from scenestore.batch import CodedEntries
from scenestore.entry import Entry
from sgpd import cells, codebook, codes, fit, neighbours, prototypes
from sgpd.bundle import Bundle, Space
from sgpd.codes import Codes
from sgpd.postings import Postings

_DECIDES = (cells, codebook, codes, fit, neighbours, prototypes)
"""Modules that decide cells and codes: another version of them makes another archive."""


@dataclass(frozen=True, eq=False)
class Coded:
    """Chips by row, each with its cell and its code."""

    bundle: Bundle
    cells: NDArray[np.int32]
    """Shape [N]."""
    codes: Codes
    postings: Postings

    @property
    def space(self) -> Space:
        """What decides cells and codes of chips."""
        return self.bundle.space("chip")

    @property
    def counts(self) -> NDArray[np.int64]:
        """Chips in each cell, shape [C]."""
        return np.bincount(self.cells, minlength=len(self.space.cells)).astype(np.int64)


def coded(corpus: Corpus, only_even_classes: bool = False) -> Coded:
    """Fit a codebook on the chips and code them, or read what an earlier run has made.

    `only_even_classes` leaves every other class out of the fit: the codebook has never seen such
    scenes.
    """
    sources = b"".join(Path(module.__file__ or "").read_bytes() for module in _DECIDES)
    version = hashlib.sha256(sources).hexdigest()[:12]
    encoder = corpus.encoder.replace(":", "-")
    part = "-even" if only_even_classes else ""
    folder = CACHE / encoder / f"coded-{len(corpus.chips)}{part}-{version}"
    kept = folder / "codes.npz"
    if not kept.exists():
        seen = corpus.chips[corpus.klass % 2 == 0] if only_even_classes else corpus.chips
        fitted = fit.fit(seen, corpus.encoder, progress=_report)
        fitted.save(folder / "bundle")
        space = fitted.space("chip")
        code = space.sparsifier.encode_documents(corpus.chips)
        members = space.cells.assign(corpus.chips)
        draft = folder / "draft.npz"
        np.savez(draft, cells=members, indptr=code.indptr, terms=code.terms, weights=code.weights)
        draft.rename(kept)
    arrays = np.load(kept)
    code = Codes(arrays["indptr"], arrays["terms"], arrays["weights"])
    return Coded(Bundle.load(folder / "bundle"), arrays["cells"], code, Postings.build(code))


def rows_of(corpus: Corpus, made: Coded, entries: Sequence[Entry], rows: slice) -> CodedEntries:
    """The given chips as `indexer.coding.coded` makes them, from what is kept on disk."""
    codes = made.codes.take(np.arange(rows.start, rows.stop))
    words = top_terms(codes, made.space.sparsifier.lexicon)
    named = [replace(entry, top_terms=terms) for entry, terms in zip(entries, words, strict=True)]
    cells = made.cells[rows]
    return CodedEntries(named, corpus.chips[rows], cells, codes, len(made.space.cells))


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
