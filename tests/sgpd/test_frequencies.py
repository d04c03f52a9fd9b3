"""How evenly terms are used, and what a query reads for it: expectations worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sgpd.bundle import Bundle
from sgpd.codes import Codes
from sgpd.frequencies import Frequencies
from sgpd.postings import Postings
from tests.vectors import clustered

DOCUMENTS = Codes.from_rows(np.array([[0, 1], [0, 2], [0, 1], [0, 4]]), np.ones((4, 2)))


def test_shares_are_of_the_documents() -> None:
    found = Frequencies.of(DOCUMENTS, 5)
    assert found.summary() == {"terms": 5, "unused": 1, "fullest": 1.0, "median": 0.25}


def test_a_query_touches_the_postings_of_its_terms() -> None:
    queries = Codes.from_rows(np.array([[0, 1], [2, 3]]), np.ones((2, 2)))
    assert Frequencies.of(DOCUMENTS, 5).touched(queries) == pytest.approx((6 / 4 + 1 / 4) / 2)
    touched = Frequencies.of(DOCUMENTS, 5).touched_by(
        images=queries, texts=queries.take(np.arange(0))
    )
    assert touched == {"touched_by_images": 0.875}


def test_two_sets_of_documents_count_together() -> None:
    half = Frequencies.of(DOCUMENTS.take(np.array([0, 1])), 5)
    rest = Frequencies.of(DOCUMENTS.take(np.array([2, 3])), 5)
    assert (half + rest).summary() == Frequencies.of(DOCUMENTS, 5).summary()


def test_postings_touched_are_those_that_a_search_reads(bundle: Bundle) -> None:
    made = bundle.space("chip").sparsifier
    codes = made.encode_documents(clustered(400, 3))
    queries = made.encode_queries(clustered(20, 4), 8)
    postings = Postings.build(codes)
    read = [sum(np.diff(postings.indptr)[np.isin(postings.terms, terms)]) for terms, _ in queries]
    assert Frequencies.of(codes, 96).touched(queries) == pytest.approx(np.mean(read) / 400)


def test_nothing_is_no_division_by_zero() -> None:
    nothing = Frequencies.of(DOCUMENTS.take(np.arange(0)), 0)
    assert nothing.summary() == {"terms": 0, "unused": 0, "fullest": 0.0, "median": 0.0}
