"""Words: which caption word goes with a term most, and which texts say a thing."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sgpd.codes import Codes

_WORD = re.compile(r"[a-z]{3,24}")
_PRIOR_MASS = 0.5
"""Pseudo-captions of average wording, so that a term hardly used is not named by a rare word."""
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        """
    about above across aerial all along also among and another any are area arranged around away
    back been being beside besides between big both but can close different divided each either
    few five for four from full get group has have here his image into its just kind kinds large
    left let like lot lots made many most much near nearby neatly next not now number off one
    only onto other others out over part parts people photo picture piece pieces place placed
    quite remote satellite scene seen sensing several shown shows side sides six small some such
    surrounded surrounding than that the their them then there these they this three through
    together top two under very view was were what when where which while who with
    """
    )
)


def term_words(codes: Codes, captions: Sequence[str], term_count: int) -> list[str | None]:
    """For each term the word that goes with it most; None for terms that no code has.

    codes: one for each caption, of what it describes (or of itself). A word's standing is its
    share p of the term's captions times log(1 + p / its share of all captions); ties go to the
    first in the alphabet.
    """
    sets = [sorted(caption_words(text)) for text in captions]
    vocabulary = sorted(set().union(*sets))
    if not vocabulary:
        return [None] * term_count
    ids = {word: i for i, word in enumerate(vocabulary)}
    spoken = np.array([ids[word] for words in sets for word in words], np.int64)
    caption = np.repeat(np.arange(len(sets)), [len(words) for words in sets])
    everywhere = np.bincount(spoken, minlength=len(ids)) / len(captions)

    # Every word of a caption meets every entry (term and weight) of the caption's code.
    meetings = np.diff(codes.indptr)[caption]
    ends = np.cumsum(meetings)
    entry = np.arange(ends[-1]) + np.repeat(codes.indptr[caption] - ends + meetings, meetings)
    pairs, member = np.unique(
        codes.terms[entry].astype(np.int64) * len(ids) + np.repeat(spoken, meetings),
        return_inverse=True,
    )
    together = np.bincount(member, codes.weights[entry], len(pairs))
    mass = np.bincount(codes.terms, codes.weights, term_count)
    terms, words = np.divmod(pairs, len(ids))
    usual = everywhere[words]
    share = (together + _PRIOR_MASS * usual) / (mass[terms] + _PRIOR_MASS)
    standing = share * np.log1p(share / usual)
    order = np.lexsort((words, -standing, terms))
    named, first = np.unique(terms[order], return_index=True)
    best = dict(zip(named.tolist(), words[order][first].tolist(), strict=True))
    return [vocabulary[best[term]] if term in best else None for term in range(term_count)]


def stems(text: str) -> set[str]:
    """The text's words without accents and regular plural endings."""
    return {_singular(word) for word in _WORD.findall(_plain(text))}


def said(texts: Sequence[str], things: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Which texts say which things, [texts, things]; a thing goes by any of its names.

    A text says a name when it has all its words, wherever they stand.
    """
    having: defaultdict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        for stem in stems(text):
            having[stem].append(row)
    found = np.zeros((len(texts), len(things)), np.bool_)
    for column, names in enumerate(things):
        for name in names:
            rows = [set(having.get(stem, ())) for stem in stems(name)]
            if rows:
                found[list(set.intersection(*rows)), column] = True
    return found


def caption_words(text: str) -> set[str]:
    """Words of a caption that say something, in plain ASCII."""
    return set(_WORD.findall(_plain(text))) - _FUNCTION_WORDS


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def _singular(word: str) -> str:
    """Without a regular plural ending: houses, bushes, cities, roads."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
