"""BM25 of captions, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.bm25 import Captions
from benchmarks.fusion import by_ranks, weighted

CAPTIONS = Captions.of(
    ["A red boat.", "boats at a pier", "a red roof", "A red boat"],
    [0, 0, 2, 2],
)


def test_a_shared_word_counts_by_how_rare_it_is_and_how_long_the_captions_are() -> None:
    scores = CAPTIONS.scores("red pier", 4)
    rare = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    common = math.log(1 + (2 - 2 + 0.5) / (2 + 0.5))
    lengths = [7, 6]
    norms = [1.2 * (0.25 + 0.75 * length / 6.5) for length in lengths]
    first = common * 1 / (1 + norms[0]) + rare * 1 / (1 + norms[0])
    third = common * 2 / (2 + norms[1])
    assert scores.tolist() == pytest.approx([first, 0, third, 0], rel=1e-5)


def test_a_caption_in_the_words_of_the_query_is_not_there() -> None:
    scores = CAPTIONS.scores("a RED boat", 3)
    assert scores[2] == pytest.approx(CAPTIONS.scores("a red boat!", 3)[2])
    alone = Captions.of(["boats at a pier", "a red roof"], [0, 2])
    assert scores.tolist() == pytest.approx(alone.scores("a red boat", 3).tolist())


def test_only_captions_that_are_shown_count() -> None:
    shown = np.array([False, True, True])
    assert CAPTIONS.scores("pier", 3, shown).tolist() == [0, 0, 0]
    assert CAPTIONS.scores("roof", 3, shown)[2] > 0
    assert not CAPTIONS.scores("roof", 3, np.zeros(3, bool)).any()


def test_fused_scores_of_what_has_no_shared_word_are_those_of_its_vector() -> None:
    dense = np.array([0.3, 0.2, 0.1], np.float32)
    words = np.array([0, 4, 2], np.float32)
    assert weighted(0.5)(dense, words).tolist() == pytest.approx([0.3, 0.7, 0.35])
    fused = by_ranks(dense, words)
    assert fused.tolist() == pytest.approx([1 / 61, 1 / 62 + 1 / 61, 1 / 63 + 1 / 62])
