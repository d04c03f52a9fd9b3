"""The lexicon in use: how many live entries hold each term, and which hold most of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenestore.entry import Entry, Kind
from scenestore.filters import ANY
from scenestore.generation import Generation
from scenestore.segment import Segment


@dataclass(frozen=True)
class Example:
    """An entry that a term is shown by."""

    key: int
    weight: float
    """Of the term in the entry's code."""
    entry: Entry


@dataclass(frozen=True)
class TermUse:
    """A term and what holds it."""

    term: str
    word: str | None
    """What it is named by, a caption's word or a concept; None where none is known."""
    entries: int
    """How many live entries hold it: its document frequency."""
    examples: tuple[Example, ...]
    """Those that hold most of it, by (-weight, key)."""


class LexiconUse:
    """Counts of one kind's terms over the live entries, read once from the segments' postings.

    Both engines have the postings, so that both give the same.
    """

    def __init__(self, generation: Generation, kind: Kind) -> None:
        self._documents = generation.documents
        self._kind = kind
        self._lexicon = generation.bundle.space(kind).sparsifier.lexicon
        live = np.fromiter((key for key, _ in generation.documents.live(kind)), np.int64)
        self._segments = [
            (segment, np.isin(segment.keys, live)) for segment in generation.reader.segments(kind)
        ]
        self.entries = len(np.unique(live))
        """Live entries of the kind."""
        self.counts = np.zeros(len(self._lexicon), np.int64)
        """Live entries that hold each term, [V]."""
        for segment, alive in self._segments:
            postings = segment.postings
            held = np.append(0, np.cumsum(alive[postings.rows]))[postings.indptr]
            self.counts[postings.terms] += np.diff(held)

    def summary(self) -> dict[str, int]:
        """Terms in all, those that some entry holds, those with a word, and entries."""
        named = sum(word is not None for word in self._lexicon.words)
        used = int(np.count_nonzero(self.counts))
        return {
            "terms": len(self._lexicon),
            "used": used,
            "named": named,
            "entries": self.entries,
        }

    def most_used(self, limit: int, grep: str = "", examples: int = 3) -> list[TermUse]:
        """The `limit` terms that most entries hold, of those whose name has `grep` in it.

        Each with up to `examples` entries; terms of equal use by id.
        """
        names = self._lexicon.terms
        order = np.argsort(-self.counts, kind="stable").tolist()
        chosen = [term for term in order if grep.lower() in names[term]][:limit]
        best = {term: self._strongest(term, examples) for term in chosen}
        keys = sorted({key for found in best.values() for key, _ in found})
        entries = self._documents.fetch(self._kind, keys, ANY)
        return [
            TermUse(
                names[term],
                self._lexicon.words[term],
                int(self.counts[term]),
                tuple(
                    Example(key, weight, entries[key]) for key, weight in found if key in entries
                ),
            )
            for term, found in best.items()
        ]

    def _strongest(self, term: int, count: int) -> list[tuple[int, float]]:
        """Keys and weights of the live entries that hold most of a term, by (-weight, key)."""
        held = [_holding(segment, alive, term) for segment, alive in self._segments]
        keys = np.concatenate([np.empty(0, np.int64), *(part[0] for part in held)])
        weights = np.concatenate([np.empty(0, np.float32), *(part[1] for part in held)])
        order = np.lexsort((keys, -weights))[:count]
        return list(zip(keys[order].tolist(), weights[order].tolist(), strict=True))


def _holding(
    segment: Segment, alive: NDArray[np.bool_], term: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Keys and weights of the live rows of a segment that hold a term."""
    postings = segment.postings
    place = int(np.searchsorted(postings.terms, term))
    if place == len(postings.terms) or postings.terms[place] != term:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    span = slice(*postings.indptr[[place, place + 1]].tolist())
    kept = alive[postings.rows[span]]
    return segment.keys[postings.rows[span][kept]], postings.weights[span][kept]
