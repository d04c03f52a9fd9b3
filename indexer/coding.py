"""Coding: entries and their vectors get cells, codes and plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from scenestore.batch import CodedEntries
from scenestore.entry import Entry, Kind
from sgpd.bundle import Bundle
from sgpd.codes import Codes
from sgpd.embeddings import checked, stored
from sgpd.lexicon import Lexicon

TOP_TERMS = 5
"""Most words that a document shows."""


def coded(bundle: Bundle, kind: Kind, entries: Sequence[Entry], vectors: ArrayLike) -> CodedEntries:
    """Entries of a kind with their vectors [n, d] rounded as stored, and what follows from these.

    Raises EmbeddingError for vectors that cannot be used.
    """
    x = stored(checked(vectors, bundle.dimension, f"{kind} embeddings"))
    space = bundle.space(kind)
    codes = space.sparsifier.encode_documents(x)
    words = (
        space.concepts.strongest(x, TOP_TERMS)
        if space.concepts is not None
        else top_terms(codes, space.sparsifier.lexicon)
    )
    named = [replace(entry, top_terms=terms) for entry, terms in zip(entries, words, strict=True)]
    return CodedEntries(named, x, space.cells.assign(x), codes, len(space.cells))


def top_terms(codes: Codes, lexicon: Lexicon) -> Iterator[tuple[str, ...]]:
    """For each code the words of its strongest terms, each once; a term without word by its id."""
    for terms, weights in codes:
        strongest = terms[np.argsort(-weights, kind="stable")[:TOP_TERMS]].tolist()
        names = (lexicon.words[term] or lexicon.terms[term] for term in strongest)
        yield tuple(dict.fromkeys(names))
