"""Cells, codes and top terms of entries."""

from __future__ import annotations

import numpy as np

from indexer.coding import coded, top_terms
from scenestore.entry import Entry, Identity
from sgpd.codes import Codes
from sgpd.embeddings import stored
from sgpd.lexicon import Lexicon
from tests.indexer.archive import fitted
from tests.indexer.colours import DIMENSION


def test_cells_and_codes_are_those_of_the_stored_vectors() -> None:
    x = np.random.default_rng(5).standard_normal((20, DIMENSION)).astype(np.float32)
    entries = [Entry(Identity("chip", "c", f"{row}"), f"{row}") for row in range(20)]
    once = coded(fitted(), "chip", entries, x)
    again = coded(fitted(), "chip", once.entries, once.vectors)
    assert np.array_equal(once.vectors, stored(once.vectors))
    assert np.array_equal(once.vectors, again.vectors)
    assert np.array_equal(once.cells, again.cells)
    assert np.array_equal(once.codes.terms, again.codes.terms)
    assert np.array_equal(once.codes.weights, again.codes.weights)


def test_top_terms_are_words_each_once_and_the_strongest_first() -> None:
    lexicon = Lexicon(("river", None, "boats", "river", "field", "road", "roof"))
    codes = Codes(
        np.array([0, 3, 9]),
        np.array([0, 1, 3, 0, 1, 2, 4, 5, 6], np.uint32),
        np.array([0.2, 0.3, 0.5, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], np.float32),
    )
    assert list(top_terms(codes, lexicon)) == [
        ("river", "p-00001"),
        ("roof", "road", "field", "boats", "p-00001"),
    ]
