"""Words: which caption word goes with a term most."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

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
    sets = [sorted(_words(text)) for text in captions]
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


def _words(text: str) -> set[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return set(_WORD.findall(plain)) - _FUNCTION_WORDS
