"""Metrics, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sgpd.metrics import mean_recall, r_at_k, recall_at_k


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_recall_counts_what_was_found_of_the_true_top() -> None:
    assert recall_at_k(scores(0.9, 0.7, 0.2), scores(0.9, 0.8, 0.7)) == pytest.approx(2 / 3)


def test_ties_for_the_last_place_are_forgiven() -> None:
    assert recall_at_k(scores(0.9, 0.7 - 5e-7), scores(0.9, 0.7)) == 1
    assert recall_at_k(scores(0.9, 0.7 - 5e-6), scores(0.9, 0.7)) == 0.5


def test_recall_of_an_empty_archive_is_whole() -> None:
    assert recall_at_k(scores(), scores()) == 1


def test_r_at_k_needs_one_positive_in_the_first_k() -> None:
    ranked = [[3, 1, 2], [2, 1, 3], [9, 8, 7]]
    positives = [{1, 2}, {3}, {5}]
    assert r_at_k(ranked, positives, 1) == 0
    assert r_at_k(ranked, positives, 2) == pytest.approx(1 / 3)
    assert r_at_k(ranked, positives, 3) == pytest.approx(2 / 3)


def test_mean_recall_is_the_plain_mean() -> None:
    assert mean_recall([10, 50, 90, 20, 60, 100]) == 55
