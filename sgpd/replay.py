"""Replays: what a search finds and costs under any settings, from one look at a query.

A query is looked at once: its guide with the exact score of every document of it, and the true top.
What a search would do under some settings is then a matter of looking up, without a vector read.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgpd.cells import CellStatistics
from sgpd.evidence import Evidence, enough
from sgpd.guide import BLOCK
from sgpd.metrics import TIE
from sgpd.plan import Matches, Settings, weigh_cells, worth_asking
from sgpd.selector import Selector


@dataclass(frozen=True, eq=False)
class ExactGuide:
    """A guide in its order, every document scored exactly."""

    keys: NDArray[np.int64]
    """Shape [r]."""
    scores: NDArray[np.float32]
    """Shape [r]: sparse scores."""
    exact: NDArray[np.float32]
    """Shape [r]."""
    cells: NDArray[np.int32]
    """Shape [r]."""


@dataclass(frozen=True, eq=False)
class Trace:
    """One query, looked at."""

    query: NDArray[np.float32]
    """Shape [d]."""
    guides: Mapping[int, ExactGuide]
    """By number of query terms."""
    keys: NDArray[np.int64]
    """Shape [m]: the true top in order (-score, key), deeper than any k that is replayed."""
    scores: NDArray[np.float32]
    """Shape [m]: exact scores."""
    cells: NDArray[np.int32]
    """Shape [m]."""
    matches: NDArray[np.int64] | None = None
    """Shape [C]: matches of the filter in each cell; None without one that narrows."""


@dataclass(frozen=True)
class Replayed:
    """What one search found and did."""

    recall: float
    """Share of the true top k, ties forgiven (`sgpd.metrics.recall_at_k`)."""
    read: int
    """Vectors of the guide read outside the opened cells."""
    opened: int
    """Cells opened."""
    scanned: int
    """Vectors in the opened cells."""
    asked: int = 0
    """Requests for the cells that hold a match."""


@dataclass(frozen=True, eq=False)
class Walk:
    """A walk down a guide to its end, as it stands after each block."""

    quiet: NDArray[np.int64]
    """Shape [blocks]: different documents since the top k last changed."""
    thresholds: NDArray[np.float32]
    """Shape [blocks]: the k-th best score so far, -inf while there are fewer than k."""

    def stop(self, size: int, patience: int) -> int:
        """Where `sgpd.guide.walk_guide` ends among the first `size` documents."""
        enough = np.flatnonzero(self.quiet[: -(-size // BLOCK)] >= patience)
        return min((int(enough[0]) + 1) * BLOCK, size) if len(enough) else size

    def threshold(self, done: int) -> float:
        """The k-th best exact score among the first `done` documents, whole blocks or all."""
        return float(self.thresholds[-(-done // BLOCK) - 1]) if done else -np.inf


_HEAD = 4 * BLOCK


def walk_to_the_end(guide: ExactGuide, k: int) -> Walk:
    """The whole walk down a guide."""
    exact, count = guide.exact, len(guide.keys)
    is_first = np.zeros(count, np.int64)
    is_first[np.unique(exact, return_index=True)[1]] = 1
    different = np.append(0, np.cumsum(is_first))
    ends = np.array([*range(BLOCK, count, BLOCK), count] if count else [], np.int64)
    # After the first few only those that reach the k-th best of them can enter the top k.
    head = min(max(_HEAD, k), count)
    least = np.partition(exact[:head], head - k)[head - k] if head >= k else -np.inf
    places = np.append(np.arange(head), head + np.flatnonzero(exact[head:] >= least))
    leaders: list[tuple[float, int]] = []
    entered, kth = [0], [-np.inf]  # one past each document that entered, and the k-th score then
    scores, keys = exact[places].tolist(), guide.keys[places].tolist()
    for place, score, key in zip(places.tolist(), scores, keys, strict=True):
        entry = score, -key
        if score == -np.inf or (len(leaders) == k and entry < leaders[0]):
            continue
        if len(leaders) < k:
            heapq.heappush(leaders, entry)
        else:
            heapq.heapreplace(leaders, entry)
        entered.append(place + 1)
        kth.append(leaders[0][0] if len(leaders) == k else -np.inf)
    last = np.searchsorted(entered, ends, side="right") - 1
    quiet = different[ends] - different[np.array(entered)[last]]
    return Walk(quiet, np.array(kth, np.float32)[last])


class Replayer:
    """Replays the same traces under many settings."""

    def __init__(
        self,
        traces: Sequence[Trace],
        statistics: CellStatistics,
        counts: NDArray[np.int64],
        selector: Selector | None = None,
    ) -> None:
        """`counts` [C]: vectors in each cell."""
        self.traces = traces
        self.statistics = statistics
        self.counts = counts
        self._selector = selector
        self._walk = cache(self._walked)
        self._matches = cache(self._matched)
        self._weighed: dict[int, tuple[object, tuple[NDArray[Any], NDArray[Any]]]] = {}

    def replay(self, settings: Settings, k: int) -> list[Replayed]:
        """Every trace under the settings, whose guide size is of whole blocks or all traced."""
        return [self.replay_one(index, settings, k) for index in range(len(self.traces))]

    def evidence(self, index: int, settings: Settings, k: int) -> Evidence:
        """What the guide of a trace has shown when cells are chosen under the settings."""
        trace = self.traces[index]
        guide = trace.guides[settings.query_terms]
        size = min(settings.guide_size, len(guide.keys))
        walk, _, _ = self._walk(index, settings.query_terms, k)
        done = walk.stop(size, settings.patience)
        exact = guide.exact[:size].copy()
        exact[done:] = -np.inf
        threshold = walk.threshold(done)
        return Evidence(trace.query, k, threshold, guide.cells[:size], guide.scores[:size], exact)

    def missed(self, index: int, settings: Settings, k: int) -> NDArray[np.int32]:
        """The cells of the true top k that the guide of a trace did not show, shape [<= k]."""
        guide = self.traces[index].guides[settings.query_terms]
        walk, _, places = self._walk(index, settings.query_terms, k)
        done = walk.stop(min(settings.guide_size, len(guide.keys)), settings.patience)
        return self.traces[index].cells[:k][places[:k] >= done]

    def replay_one(self, index: int, settings: Settings, k: int) -> Replayed:
        """One trace under the settings."""
        trace = self.traces[index]
        guide = trace.guides[settings.query_terms]
        walk, hits_before, places = self._walk(index, settings.query_terms, k)
        done = walk.stop(min(settings.guide_size, len(guide.keys)), settings.patience)
        threshold = walk.threshold(done)
        is_short = int(np.count_nonzero(guide.exact[:done] > -np.inf)) < enough(k)
        is_open = np.zeros(len(self.counts), bool)
        if is_short:
            weighed = self._matches(index, k, threshold)
            is_open[weighed.cells[: weighed.reach(settings.cover)]] = True
        else:
            cells, shares = self._shares(index, settings, k)
            is_open[cells[shares >= settings.open_above]] = True
        asks = trace.matches is not None and (
            is_short or worth_asking(int(self.counts[is_open].sum()))
        )
        if asks and trace.matches is not None:
            is_open &= trace.matches > 0
        best = trace.scores[:k]
        hits = int(hits_before[done])
        if is_open.any() and len(best):
            missed = (places >= done) & (trace.scores >= best[-1] - TIE)
            hits += int(np.count_nonzero(missed & is_open[trace.cells]))
        return Replayed(
            recall=min(hits, len(best)) / len(best) if len(best) else 1.0,
            read=int(np.count_nonzero(~is_open[guide.cells[:done]])),
            opened=int(np.count_nonzero(is_open)),
            scanned=int(self.counts[is_open].sum()),
            asked=int(asks),
        )

    def _shares(
        self, index: int, settings: Settings, k: int
    ) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
        """Cells and what lambda is compared with; only the last is kept, paths go step by step."""
        asked = (settings.query_terms, settings.guide_size, settings.patience, k, settings.rule)
        known = self._weighed.get(index)
        if known is None or known[0] != asked:
            evidence = self.evidence(index, settings, k)
            weighed = weigh_cells(
                evidence, self.statistics, self.counts, settings.rule, self._selector
            )
            known = self._weighed[index] = asked, (weighed.candidates.cells, weighed.shares)
        return known[1]

    def _matched(self, index: int, k: int, threshold: float) -> Matches:
        """What the cells of a trace whose guide is short are expected to hold."""
        trace = self.traces[index]
        held = self.counts if trace.matches is None else trace.matches
        return Matches.weigh(trace.query, k, threshold, self.statistics, self.counts, held)

    def _walked(
        self, index: int, terms: int, k: int
    ) -> tuple[Walk, NDArray[np.int64], NDArray[np.int64]]:
        """The walk; true hits before each place of the guide; the place of each of the true top."""
        trace = self.traces[index]
        guide = trace.guides[terms]
        least = trace.scores[:k].min(initial=np.inf) - TIE
        hits_before = np.append(0, np.cumsum(guide.exact >= least))
        order = np.argsort(guide.keys)
        ordered = guide.keys[order]
        found = np.searchsorted(ordered, trace.keys)
        places = np.full(len(trace.keys), np.iinfo(np.int64).max)
        inside = found < len(ordered)
        inside[inside] = ordered[found[inside]] == trace.keys[inside]
        places[inside] = order[found[inside]]
        return walk_to_the_end(guide, k), hits_before, places
