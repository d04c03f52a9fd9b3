"""Codes as mixtures: right weights, the same in any batch, and a guide worth having."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sgpd.bundle import Bundle
from sgpd.codes import Codes, round_weights
from sgpd.embeddings import stored
from sgpd.lexicon import Lexicon
from sgpd.postings import Postings
from sgpd.prototypes import PrototypeSparsifier, mixture_weights
from tests.vectors import clustered


def sparsifier(count: int, dimension: int = 32) -> PrototypeSparsifier:
    """A sparsifier of random prototypes, near duplicates among them."""
    prototypes = stored(clustered(count, 7, dimension))
    prototypes[1::3] = stored(prototypes[::3][: len(prototypes[1::3])] + np.float32(2**-10))
    offsets = np.append(np.arange(0, count, 10), count)
    return PrototypeSparsifier(prototypes, Lexicon((None,) * count), offsets=offsets)


def same(left: Codes, right: Codes) -> bool:
    return all(
        np.array_equal(getattr(left, name), getattr(right, name))
        for name in ("indptr", "terms", "weights")
    )


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 30), st.sampled_from([1, 5, 33, 90, 1200]))
def test_a_code_does_not_depend_on_its_batch(seed: int, count: int, prototypes: int) -> None:
    made, x = sparsifier(prototypes), clustered(count, seed)
    together = made.encode_documents(x)
    for i in range(count):
        assert same(made.encode_documents(x[i : i + 1]), together.take(np.array([i])))
    assert same(made.encode_documents(stored(x)), together)


def test_document_codes_are_few_rounded_positive_terms_that_sum_to_about_one(
    bundle: Bundle, embeddings: NDArray[np.float32]
) -> None:
    codes = bundle.space("chip").sparsifier.encode_documents(embeddings)
    assert np.diff(codes.indptr).min() >= 1
    assert np.diff(codes.indptr).max() <= 8
    np.testing.assert_array_equal(round_weights(codes.weights), codes.weights)
    sums = np.add.reduceat(codes.weights, codes.indptr[:-1])
    assert 0.7 < np.median(sums) < 1.3


def test_mixtures_are_the_least_squares_optimum() -> None:
    """Against every support of 4 prototypes, solved by elimination."""
    rng = np.random.default_rng(1)
    members, x = clustered(4, 1).astype(float), clustered(1, 2)[0].astype(float)
    gram, similarity = members @ members.T, members @ x
    found = mixture_weights(gram[None], similarity[None], 500)[0]

    def loss(w: NDArray[np.float64]) -> float:
        return float(np.sum((x - w @ members) ** 2) + (1 - w.sum()) ** 2) / 2

    best = np.inf
    for size in range(5):
        for support in map(list, itertools.combinations(range(4), size)):
            w = np.zeros(4)
            w[support] = np.linalg.solve(
                gram[np.ix_(support, support)] + 1, similarity[support] + 1
            )
            if (w >= 0).all():
                best = min(best, loss(w))
    assert loss(found) == pytest.approx(best, abs=1e-12)
    assert all(loss(found) <= loss(np.abs(found + rng.normal(0, 0.01, 4))) for _ in range(50))


def test_queries_name_their_nearest_prototypes_by_how_far_they_beat_the_next() -> None:
    made, query = sparsifier(90), clustered(1, 3)
    terms, weights = made.encode_queries(query, 5).row(0)
    scores = query[0] @ made.prototypes.T
    order = np.argsort(-scores)
    assert sorted(terms.tolist()) == sorted(order[:5].tolist())
    np.testing.assert_allclose(weights, scores[terms] - scores[order[5]], atol=1e-6)


def test_a_sparsifier_saved_without_cells_gives_the_same_codes() -> None:
    made, x = sparsifier(90), clustered(20, 3)
    arrays = made.arrays()
    del arrays["offsets"]
    older = PrototypeSparsifier.from_arrays(arrays, made.lexicon)
    assert same(older.encode_documents(x), made.encode_documents(x))
    left, right = older.encode_queries(x, 5), made.encode_queries(x, 5)
    np.testing.assert_array_equal(left.terms, right.terms)
    np.testing.assert_allclose(left.weights, right.weights, atol=1e-6)


@pytest.mark.parametrize("terms", [3, 4, 400])
def test_a_query_may_ask_for_more_terms_than_there_are(terms: int) -> None:
    made = sparsifier(3)
    found, weights = made.encode_queries(clustered(1), terms).row(0)
    assert found.tolist() == [0, 1, 2]
    assert (weights > 0).all()


def test_the_guide_finds_most_of_the_nearest(
    bundle: Bundle, embeddings: NDArray[np.float32]
) -> None:
    made = bundle.space("chip").sparsifier
    postings = Postings.build(made.encode_documents(embeddings))
    queries = clustered(40, 8)
    found = 0
    for code, query in zip(made.encode_queries(queries, 16), queries, strict=True):
        rows, scores = postings.scores(*code)
        guide = set(rows[np.argsort(-scores)[:60]].tolist())
        found += len(guide & set(np.argsort(-(embeddings @ query))[:10].tolist()))
    assert found / 400 > 0.9
