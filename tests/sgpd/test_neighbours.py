"""Nearest prototypes by two levels: nearly all of the nearest, and never another number of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sgpd.codebook import Codebook
from sgpd.embeddings import distinct_rows, stored
from sgpd.neighbours import Neighbours
from tests.vectors import clustered


@pytest.fixture(scope="module")
def neighbours() -> Neighbours:
    """5,000 prototypes in 300 cells: only a tenth of them are looked at."""
    x = distinct_rows(stored(clustered(10_000)))
    book = Codebook.fit(x, 300, 5_000, seed=0)
    return Neighbours(book.prototypes, book.offsets)


def nearest(rows: NDArray[np.float32], x: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    products = x.astype(np.float64) @ rows.T.astype(np.float64)
    return np.argsort(-products, axis=1, kind="stable")[:, :count]


def test_most_of_the_nearest_are_found(neighbours: Neighbours) -> None:
    x = stored(clustered(200, seed=5))
    best = nearest(neighbours.rows, x, 10)
    for found in (neighbours.of_documents(x, 10)[0], neighbours.of_queries(x, 10)[0]):
        shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), best.tolist(), strict=True)]
        assert sum(shared) / best.size > 0.95


def test_all_of_the_nearest_are_found_where_few_prototypes_lie(neighbours: Neighbours) -> None:
    few = Neighbours(neighbours.rows[: neighbours.offsets[12]], neighbours.offsets[:13])
    x = stored(clustered(50, seed=5))
    found, products = few.of_documents(x, 10)
    np.testing.assert_array_equal(found, nearest(few.rows, x, 10))
    exact = np.einsum("nd,nkd->nk", x.astype(np.float64), few.rows[found].astype(np.float64))
    np.testing.assert_allclose(products, exact, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(np.sort(few.of_queries(x, 10)[0]), np.sort(found))


@settings(max_examples=10)
@given(st.integers(0, 1_000), st.integers(1, 40))
def test_a_documents_prototypes_do_not_depend_on_its_batch(
    neighbours: Neighbours, seed: int, count: int
) -> None:
    x = stored(clustered(count, seed))
    together = neighbours.of_documents(x, 16)
    for i in range(count):
        for part, whole in zip(neighbours.of_documents(x[i : i + 1], 16), together, strict=True):
            np.testing.assert_array_equal(part[0], whole[i])


def test_documents_are_taken_in_parts_without_a_trace(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = stored(clustered(300, seed=2))
    together = neighbours.of_documents(x, 16)
    monkeypatch.setattr("sgpd.neighbours._PRODUCTS", 7_000)
    for part, whole in zip(neighbours.of_documents(x, 16), together, strict=True):
        np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize("count", [1, 7, 40])
def test_cells_of_one_prototype_still_give_as_many_as_are_asked_for(count: int) -> None:
    rows = distinct_rows(stored(clustered(40)))
    offsets = np.array([0, *range(20, 41)])  # one cell of 20, twenty of one
    found = Neighbours(rows, offsets)
    x = stored(clustered(9, 3))
    for ids, _ in (found.of_documents(x, count), found.of_queries(x, count)):
        assert [len(set(row)) for row in ids.tolist()] == [count] * 9


def test_no_documents_have_no_prototypes(neighbours: Neighbours) -> None:
    assert neighbours.of_documents(np.empty((0, 32), np.float32), 8)[0].shape == (0, 8)
