"""The guide: the top sparse hits of a query, and their exact scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgpd.scoring import exact_scores, top_places

BLOCK = 16
"""Documents read at a time, at least."""


@dataclass(frozen=True, eq=False)
class Guide:
    """The top r sparse hits, in order (-score, key)."""

    keys: NDArray[np.int64]
    """Shape [r]."""
    scores: NDArray[np.float32]
    """Shape [r]: sparse scores."""
    matches: int | None = None
    """Live entries that pass the filter, where it was counted."""

    def first(self, size: int) -> Guide:
        """The first `size` hits: the guide that would have come, had no more been asked for."""
        return Guide(self.keys[:size], self.scores[:size], self.matches)


@dataclass(frozen=True, eq=False)
class Scored:
    """Documents with their exact scores, in order of the guide."""

    keys: NDArray[np.int64]
    """Shape [n]."""
    scores: NDArray[np.float32]
    """Shape [n]: exact scores."""
    examined: int
    """Vectors read and scored."""
    places: NDArray[np.intp]
    """Shape [n]: where the documents stand in the guide, ascending."""


def score_guide(
    query: NDArray[np.float32],
    guide_keys: NDArray[np.int64],
    vectors_of: Callable[[slice], NDArray[np.floating]],
    k: int,
    patience: int,
) -> Scored:
    """Score down the guide, reading no more vectors than `walk_guide` asks for.

    `vectors_of` gives the stored vectors [n, d] of a part of the guide, NaN rows for documents that
    it does not have: those are read, and left out of the result.
    """

    def scores_of(part: slice) -> NDArray[np.float32]:
        found = exact_scores(query, vectors_of(part))
        return np.where(np.isnan(found), np.float32(-np.inf), found)

    scores = walk_guide(guide_keys, scores_of, k, patience)
    there = np.flatnonzero(scores > -np.inf)
    return Scored(guide_keys[there], scores[there], len(scores), there)


def walk_guide(
    keys: NDArray[np.int64],
    scores_of: Callable[[slice], NDArray[np.float32]],
    k: int,
    patience: int,
) -> NDArray[np.float32]:
    """Exact scores down a guide until `patience` different documents did not change the top k.

    Copies (equal exact scores) count once, or a scene stored a hundred times would use up all
    patience. The walk ends at a multiple of 16 documents, so that more patience examines a
    superset. `scores_of` gives the exact scores of a part of the guide, -inf for what is not there.
    """
    scores = np.full(len(keys), -np.inf, np.float32)
    done = quiet = 0
    while done < len(keys) and quiet < patience:
        # No fewer documents can use up the patience that is left.
        stop = min(len(keys), -(-(done + patience - quiet) // BLOCK) * BLOCK)
        scores[done:stop] = scores_of(slice(done, stop))
        done = stop
        # Nothing evicts the last document that entered, so it is the last one of the top k.
        leaders = top_places(keys[:done], scores[:done], k)
        last = int(leaders[scores[leaders] > -np.inf].max(initial=-1))
        _, first_seen = np.unique(scores[:done], return_index=True)
        quiet = int(np.count_nonzero(first_seen > last))
    return scores[:done]
