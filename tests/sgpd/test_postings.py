"""Postings score as a plain sparse product does, however they were put together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sgpd.codes import Codes
from sgpd.postings import Postings


def codes_of(seed: int, count: int) -> Codes:
    """Random codes over 20 terms; some are empty."""
    rng = np.random.default_rng(seed)
    terms = np.argsort(rng.random((count, 20)), axis=1)[:, :5]
    weights = np.where(rng.random((count, 5)) < 0.4, 0, rng.random((count, 5)))
    return Codes.from_rows(terms, weights).rounded()


def brute_force(codes: Codes, terms: list[int], weights: list[np.float32]) -> dict[int, np.float32]:
    """Row to score, one product at a time."""
    boost = dict(zip(terms, weights, strict=True))
    scores: dict[int, np.float32] = {}
    for row, code in enumerate(codes):
        shared = [
            float(boost[t] * w)
            for t, w in zip(code[0].tolist(), code[1], strict=True)
            if t in boost
        ]
        if shared:
            scores[row] = np.float32(sum(shared))
    return scores


@given(st.integers(0, 5000), st.integers(0, 30), st.lists(st.integers(0, 25), unique=True))
def test_scores_are_those_of_brute_force(seed: int, count: int, terms: list[int]) -> None:
    codes = codes_of(seed, count)
    weights = np.random.default_rng(seed).random(len(terms)).astype(np.float32)
    rows, scores = Postings.build(codes).scores(np.array(terms, np.uint32), weights)
    assert dict(zip(rows.tolist(), scores, strict=True)) == brute_force(codes, terms, list(weights))
    assert rows.tolist() == sorted(rows.tolist())


@given(st.integers(0, 5000), st.lists(st.integers(0, 12), max_size=4))
def test_merged_postings_are_those_of_the_surviving_codes(seed: int, sizes: list[int]) -> None:
    parts = [codes_of(seed + i, size) for i, size in enumerate(sizes)]
    total = sum(sizes)
    rng = np.random.default_rng(seed)
    kept = rng.random(total) < 0.7
    new_rows = np.full(total, -1, np.int64)
    new_rows[kept] = rng.permutation(int(kept.sum()))
    maps = np.split(new_rows, np.cumsum(sizes)[:-1]) if sizes else []

    merged = Postings.merge(
        [(Postings.build(part), rows) for part, rows in zip(parts, maps, strict=True)]
    )
    survivors: list[tuple[np.ndarray, np.ndarray]] = [(np.empty(0), np.empty(0))] * int(kept.sum())
    for part, rows in zip(parts, maps, strict=True):
        for code, row in zip(part, rows.tolist(), strict=True):
            if row >= 0:
                survivors[row] = code
    lengths = [len(code[0]) for code in survivors]
    plain = Codes(
        np.cumsum([0, *lengths]),
        np.concatenate([np.empty(0), *(code[0] for code in survivors)]).astype(np.uint32),
        np.concatenate([np.empty(0), *(code[1] for code in survivors)]).astype(np.float32),
    )
    for name, array in Postings.build(plain).arrays().items():
        np.testing.assert_array_equal(merged.arrays()[name], array)


def test_memory_maps_answer_the_same(tmp_path: Path) -> None:
    postings = Postings.build(codes_of(3, 50))
    for name, array in postings.arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    mapped = Postings.from_arrays(
        {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in Postings.ARRAYS}
    )
    query = np.array([1, 4, 9], np.uint32), np.array([1, 0.5, 0.25], np.float32)
    for found, wanted in zip(mapped.scores(*query), postings.scores(*query), strict=True):
        np.testing.assert_array_equal(found, wanted)
