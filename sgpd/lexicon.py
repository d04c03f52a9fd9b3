"""The lexicon: a readable name for each term of a code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sgpd.errors import FitError

_TERM = re.compile(r"[a-z0-9-]+")


@dataclass(frozen=True)
class Lexicon:
    """Terms by id: unique, plain ASCII, without dots (a dot would split a rank_features field)."""

    words: tuple[str | None, ...]
    """What each term is named by, None where nothing is known."""

    def __post_init__(self) -> None:
        for word in self.words:
            if word is not None and not _TERM.fullmatch(word):
                raise FitError(f"lexicon: {word!r} cannot name a term; use a-z, 0-9 and hyphens")

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """Names such as runway-00421; the number is the term's id."""
        return tuple(f"{word or 'p'}-{i:05d}" for i, word in enumerate(self.words))

    def __len__(self) -> int:
        return len(self.words)

    def ids(self, terms: Sequence[str]) -> NDArray[np.uint32]:
        """Ids of terms; KeyError for a term that is not in the lexicon."""
        return np.array([self._ids[term] for term in terms], np.uint32)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {term: i for i, term in enumerate(self.terms)}
