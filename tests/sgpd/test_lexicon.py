"""Terms are unique plain ASCII without dots, named by what captions say."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sgpd.codes import Codes
from sgpd.errors import FitError
from sgpd.lexicon import Lexicon
from sgpd.words import term_words


def test_terms_are_unique_and_safe_as_field_names() -> None:
    lexicon = Lexicon(("runway", "runway", None))
    assert lexicon.terms == ("runway-00000", "runway-00001", "p-00002")
    assert all(re.fullmatch("[a-z0-9-]+", term) for term in lexicon.terms)
    assert lexicon.ids(["p-00002", "runway-00000"]).tolist() == [2, 0]


@pytest.mark.parametrize("word", ["a.b", "größe", "two words", ""])
def test_words_that_would_break_a_field_name_are_refused(word: str) -> None:
    with pytest.raises(FitError, match="cannot name a term"):
        Lexicon((word,))


def test_a_term_is_named_by_the_word_that_sets_its_captions_apart() -> None:
    captions = [
        "There are two runways beside the green grass",
        "Many planes and runways on the grass",
        "A green forest with many trees",
        "The trees of a dense forest",
        "Green grass",
    ]
    codes = Codes.from_rows(np.array([[0], [0], [1], [1], [2]]), np.ones((5, 1)))
    assert term_words(codes, captions, 4) == ["runways", "forest", "grass", None]


def test_captions_in_any_script_give_plain_words_or_none() -> None:
    codes = Codes.from_rows(np.array([[0], [1], [2]]), np.ones((3, 1)))
    assert term_words(codes, ["Flüsse", "機場", "..."], 3) == ["flusse", None, None]
    assert term_words(codes, ["", "?", "..."], 3) == [None, None, None]
