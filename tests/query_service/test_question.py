"""Texts as people write them: what they look for, and what they keep away from."""

from __future__ import annotations

import pytest

from query_service.question import Question
from query_service.request import RequestError


@pytest.mark.parametrize(
    ("text", "words", "minus"),
    [
        ("harbour -ship", "harbour", ["ship"]),
        ("-ship harbour", "harbour", ["ship"]),
        ('harbour -"large ship" quay', "harbour quay", ["large ship"]),
        ('-"large ship"quay', "quay", ["large ship"]),
        ("harbour -ship -crane", "harbour", ["ship", "crane"]),
        ("harbour - ship", "harbour ship", []),
        ("harbour -- ship \u2014 quay", "harbour ship quay", []),
        ("harbour --ship", "harbour --ship", []),
        ("a two-lane road", "a two-lane road", []),
        ("road-", "road-", []),
        ("at -3 degrees", "at -3 degrees", []),
        ("harbour -_x", "harbour -_x", []),
        ("harbour -épave", "harbour", ["épave"]),
        ("森林 -船", "森林", ["船"]),
        ("harbour \u2212ship", "harbour", ["ship"]),
        ("harbour \u2013ship", "harbour", ["ship"]),
        ("harbour \u2013\u201clarge ship\u201d", "harbour", ["large ship"]),
        ("Paris\u2013Lyon \u2014line", "Paris\u2013Lyon \u2014line", []),
        ('harbour -"" -"  "', "harbour", []),
        ('say "large ship"', 'say "large ship"', []),
        ('say "-large ship"', 'say "-large ship"', []),
    ],
)
def test_a_hyphen_right_before_a_word_keeps_away_from_it(
    text: str, words: str, minus: list[str]
) -> None:
    question = Question.of(text)
    assert (question.text, list(question.minus)) == (words, minus)


def test_beside_an_image_a_text_may_say_nothing_or_what_to_keep_away_from() -> None:
    assert Question.of("-", image=b"x").text is None
    question = Question.of("-ship", image=b"x")
    assert (question.text, question.minus) == (None, ("ship",))


@pytest.mark.parametrize(
    ("text", "why"),
    [(None, "look for; give"), ("-", ": no word is in the text; give"), ("-ship", "keep away")],
)
def test_nothing_to_look_for_is_refused(text: str | None, why: str) -> None:
    with pytest.raises(RequestError, match="there is nothing to look for") as refused:
        Question.of(text)
    assert why in str(refused.value)
