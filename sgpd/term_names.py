"""Naming the terms of chips, by their captions and by concepts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes
from sgpd.concepts import Concepts
from sgpd.prototypes import PrototypeSparsifier
from sgpd.sparsifier import Sparsifier
from sgpd.words import term_words

_CAPTION_TERMS = 8
_HELD_BY_CHIPS = 1.0
"""What described chips must hold of a term, in chips, for their captions to name it: a few chips at
its edge name it wrongly. `python -m benchmarks run words`: of images without captions 71 % have a
right first word with it, 52 % where any chip will do; 0.5 and 2 are as good."""


def chip_words(
    sparsifier: Sparsifier,
    x: NDArray[np.float32],
    texts: Sequence[str],
    y: NDArray[np.float32],
    rows: NDArray[np.int64],
    concepts: Concepts | None,
) -> list[str | None]:
    """Name terms by the captions of the chips that hold them.

    Where such chips hold too little of a term, it is named by the concept nearest to its prototype,
    and where there is none of either by the captions nearest.
    """
    count = len(sparsifier.lexicon)
    by_concept: list[str | None] = [None] * count
    if concepts is not None and isinstance(sparsifier, PrototypeSparsifier):
        nearest = concepts.strongest(sparsifier.prototypes, 1)
        by_concept = [name.replace(" ", "-") for (name,) in nearest]
    if not len(texts):
        return by_concept
    described = np.flatnonzero(rows >= 0)
    chips, chip_of = np.unique(rows[described], return_inverse=True)
    codes: Codes = sparsifier.encode_documents(x[chips])
    held = np.bincount(codes.terms, codes.weights, count)
    by_chips = term_words(codes.take(chip_of), [texts[i] for i in described.tolist()], count)
    by_texts = term_words(sparsifier.encode_queries(y, _CAPTION_TERMS), texts, count)
    return [
        (chip if much else None) or concept or chip or text
        for much, chip, concept, text in zip(
            held >= _HELD_BY_CHIPS, by_chips, by_concept, by_texts, strict=True
        )
    ]


def by_chip(texts: Sequence[str], rows: NDArray[np.int64]) -> dict[int, list[str]]:
    """The captions of each chip that has any, by row."""
    captions: defaultdict[int, list[str]] = defaultdict(list)
    for text, row in zip(texts, rows.tolist(), strict=True):
        if row >= 0:
            captions[row].append(text)
    return dict(captions)
