"""The one search pipeline: embedding, code, guide, exact scores, plan, scan, fetch, hits."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from query_service.answer import Answer, Hit, OpenedCell
from query_service.explain import Code, Explainer, Explanation
from query_service.groups import Groups
from query_service.percentile import Percentiles
from query_service.planner import Choice, Planner
from query_service.request import After, RequestError, SearchRequest
from query_service.sample import SearchSample
from query_service.steps import Steps
from scenestore.cache import counted
from scenestore.entry import Entry, Kind
from scenestore.errors import DamagedError
from scenestore.generation import Generation
from scenestore.ports import Found, LiveEntries
from scenestore.segments import LiveSegments
from sgpd.calibration import WRITTEN
from sgpd.embeddings import checked
from sgpd.evidence import Evidence
from sgpd.guide import score_guide
from sgpd.plan import Settings, plan_cells, worth_asking
from sgpd.scoring import exact_scores, top

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

_TOO_FEW = "everything is scanned: what was planned held too few that may be returned"
_LARGEST_PAGE = 1_000
"""Entries fetched at once where few of the best pass the filter."""


@dataclass(frozen=True)
class Plan:
    """Which vectors to score: some have been already, the cells follow."""

    segments: LiveSegments
    cells: tuple[OpenedCell, ...]
    keys: NDArray[np.int64]
    """Keys of the guide that were scored exactly."""
    scores: NDArray[np.float32]
    examined: int = 0
    """Vectors of the guide that were read and lie in none of the cells."""
    guide: int = 0
    selectivity: float = 1.0
    """Share of the vectors that pass the filter."""
    due: int = 0
    """Hits of the page that there are for certain, as many as asked for at most."""

    @property
    def scanned(self) -> int:
        """Vectors scored in all."""
        return self.examined + self.in_cells

    @property
    def in_cells(self) -> int:
        """Vectors in the opened cells."""
        return sum(cell.vectors for cell in self.cells)


class Searcher:
    """Answers searches over one generation."""

    def __init__(
        self,
        generation: Generation,
        encoder: Callable[[], Encoder],
        sample: SearchSample | None = None,
    ) -> None:
        """`encoder` is called at the first text or image: other searches need no model.

        `sample` keeps some of the searches, to be measured later.
        """
        self._generation = generation
        self._documents: LiveEntries = generation.documents
        self._reader = generation.reader
        self._encoder = encoder
        self._explainer = Explainer(generation)
        self._percentiles = Percentiles()
        self._sample = sample
        self._planner = Planner(generation.bundle, generation.calibration)

    def search(self, request: SearchRequest, explain: bool = False) -> Answer:
        """Run the pipeline for one request; raises SceneSiftError for what cannot be answered."""
        if request.partial:
            return self._partial(request, explain)
        with counted() as reads:
            try:
                answer = self._search(request, explain)
            except DamagedError:
                if not self._reader.has_moved_on():
                    raise
                answer = self._search(request, explain)  # what went was replaced meanwhile
        return replace(answer, reads=reads)

    def _search(self, request: SearchRequest, explain: bool) -> Answer:
        steps = Steps()
        with steps("embedding"):
            query, request = self._embed(request)
        segments = self._reader.segments(request.kind)
        choice = self._planner.choose(request, segments)
        if choice.way == "exhaustive" and request.where.narrows:
            matches = self._documents.count(request.kind, request.where)
            choice = self._planner.choose(request, segments, matches)
        if choice.way == "guided":
            choice, plan = self._guided(request, query, choice, steps)
        if choice.way == "exhaustive":
            plan = self._exhaustive(request)
        elif choice.way == "matches":
            plan = self._matches(request, query, steps)
        ranked = self._rank(request, query, plan, steps)
        if len(ranked) < plan.due and plan.in_cells < len(plan.segments):
            choice = replace(choice, way="exhaustive", expected_recall=1.0, reason=_TOO_FEW)
            plan = self._exhaustive(request)
            ranked = self._rank(request, query, plan, steps)
        if request.min_score is not None:
            ranked = [hit for hit in ranked if hit[1] >= request.min_score]
        with steps("percentile"):
            percentile = self._percentiles.of(request.kind, plan.segments, query)
            hits = [Hit(key, score, percentile(score), entry) for key, score, entry in ranked]
        answer = Answer(
            hits=tuple(hits),
            generation=self._generation.log.generation,
            strategy=choice.way,
            reason=choice.reason,
            recall=request.recall,
            scanned=plan.scanned,
            entries=len(plan.segments),
            # Of hits, which say little of groups.
            expected_recall=None if request.group_by else choice.expected_recall,
            guide=plan.guide,
            cells=plan.cells if choice.way == "guided" else (),
            milliseconds=steps.milliseconds(),
        )
        if self._sample:
            self._sample.keep(request, query, choice)
        return self._explained(request.kind, query, choice.settings, answer) if explain else answer

    def _partial(self, request: SearchRequest, explain: bool) -> Answer:
        """The same on documents that leave out what fails; then nothing is known of the recall."""
        missing: list[str] = []
        searcher = copy.copy(self)
        searcher._documents = self._documents.tolerant(missing)
        answer = searcher.search(replace(request, partial=False), explain)
        if not missing:
            return answer
        return replace(answer, missing=tuple(dict.fromkeys(missing)), expected_recall=None)

    def explain(self, request: SearchRequest) -> Explanation:
        """What the guide sees of the query; with `like`, of that entry itself."""
        if request.like is not None:
            found = _there(request.like, self._documents.lookup(request.like))
            return self._explainer.entry(found)
        query, _ = self._embed(request)
        choice = self._planner.choose(request, self._reader.segments(request.kind))
        code = self._code(request.kind, query, choice.settings, Steps())
        return self._explainer.query(request.kind, query, code, request.image is not None)

    def _embed(self, request: SearchRequest) -> tuple[NDArray[np.float32], SearchRequest]:
        """The query's unit vector [d], and the request with what it implies for the filter."""
        if request.embedding is not None:
            dimension = self._generation.bundle.dimension
            return checked(request.embedding[None], dimension, "query embedding")[0], request
        if request.like is not None:
            return self._like(request.like, request)
        encoder = self._encoder()
        self._generation.bundle.check_encoder(encoder.identity)
        if request.text is not None:
            return encoder.encode_texts([request.text])[0], request
        assert request.image is not None
        return encoder.encode_images([request.image])[0], request

    def vector(self, id: str) -> tuple[NDArray[np.float32], Entry]:
        """The stored vector [d] of an entry, and the entry; RequestError where there is none."""
        return self.vectors([id])[id]

    def vectors(self, ids: Sequence[str]) -> dict[str, tuple[NDArray[np.float32], Entry]]:
        """The same of several entries, by id, looked up by one request."""
        entries = self._documents.lookup_all(ids)
        vectors: dict[str, tuple[NDArray[np.float32], Entry]] = {}
        for id in ids:
            found = _there(id, entries.get(id))
            key = np.array([found.key])
            kind = found.entry.identity.kind
            vector = self._reader.segments(kind, holding=key).vectors(key)[0]
            if np.isnan(vector).any():
                raise RequestError(f"the entry {id} is being written; try again in a moment")
            vectors[id] = vector, found.entry
        return vectors

    def _like(self, id: str, request: SearchRequest) -> tuple[NDArray[np.float32], SearchRequest]:
        """The stored vector of an entry; the hits leave out the entry's own scene."""
        vector, entry = self.vector(id)
        who = entry.identity
        own = (who.collection, who.scene)
        where = replace(request.where, without_scenes=(*request.where.without_scenes, own))
        return vector, replace(request, where=where, embedded=WRITTEN[who.kind])

    def _exhaustive(self, request: SearchRequest) -> Plan:
        """Every cell that holds a vector."""
        segments = self._reader.segments(request.kind)
        counts = segments.counts
        cells = (OpenedCell(int(c), int(counts[c]), math.nan) for c in np.flatnonzero(counts))
        return Plan(segments, tuple(cells), np.empty(0, np.int64), np.empty(0, np.float32))

    def _code(
        self, kind: Kind, query: NDArray[np.float32], settings: Settings, steps: Steps
    ) -> Code:
        with steps("code"):
            sparsifier = self._generation.bundle.space(kind).sparsifier
            return sparsifier.encode_queries(query[None], settings.query_terms).row(0)

    def _matches(self, request: SearchRequest, query: NDArray[np.float32], steps: Steps) -> Plan:
        """Every live entry that passes the filter, and no other, scored exactly."""
        with steps("matches"):
            keys = self._documents.keys(request.kind, request.where, sys.maxsize)
        with steps("exact"):
            segments = self._reader.segments(request.kind, holding=keys)
            places = segments.locate(keys)
            keys, places = keys[places >= 0], places[places >= 0]
            scores = exact_scores(query, segments.vectors_at(places))
        return Plan(segments, (), keys, scores, len(keys))

    def _guided(
        self, request: SearchRequest, query: NDArray[np.float32], choice: Choice, steps: Steps
    ) -> tuple[Choice, Plan]:
        """Sparse hits scored exactly, then the cells that may hold what they missed.

        How many matches the filter has comes with the guide, and may speak for another way: then
        the plan is empty.
        """
        kind, k = request.kind, request.depth
        code = self._code(kind, query, choice.settings, steps)
        with steps("guide"):
            size = max(choice.settings.guide_size, k)
            guide = self._documents.guide(kind, *code, size, request.where)
        with steps("exact"):
            segments = self._reader.segments(kind, holding=guide.keys)
            if guide.matches is not None:
                choice = self._planner.choose(request, segments, guide.matches)
                guide = guide.first(max(choice.settings.guide_size, k))
            if choice.way != "guided":
                return choice, Plan(segments, (), guide.keys, guide.scores)
            places = segments.locate(guide.keys)
            scored = score_guide(
                query,
                guide.keys,
                segments.reading(places),
                k,
                choice.settings.patience,
            )
        with steps("plan"):
            cells = segments.cells_at(places)
            evidence = Evidence.of(query, k, guide, scored, cells)
            counts = segments.counts
        matches = None
        if request.where.narrows and evidence.is_short:
            with steps("cells"):
                matches = self._documents.counts_by_cell(kind, request.where)
        with steps("plan"):
            opened = plan_cells(
                evidence,
                choice.statistics,
                counts,
                choice.settings,
                choice.selector,
                matches,
            )
            in_cells = int(counts[[c.cell for c in opened]].sum())
        if request.where.narrows and matches is None and worth_asking(in_cells):
            with steps("cells"):
                matches = self._documents.counts_by_cell(kind, request.where)
                opened = [c for c in opened if matches[c.cell]]
        with steps("plan"):
            # Those that lie in opened cells are counted there.
            among = int(np.isin(cells[scored.places], [c.cell for c in opened]).sum())
        return choice, Plan(
            segments,
            tuple(
                OpenedCell(c.cell, int(counts[c.cell]), c.expected, c.normal, c.learned, c.guide)
                for c in opened
            ),
            scored.keys,
            scored.scores,
            scored.examined - among,
            len(guide.keys),
            1.0 if guide.matches is None else guide.matches / max(len(segments), 1),
            min(k, len(segments) if guide.matches is None else guide.matches) - (k - request.k),
        )

    def _rank(
        self, request: SearchRequest, query: NDArray[np.float32], plan: Plan, steps: Steps
    ) -> list[tuple[int, float, Entry]]:
        """Scan the planned cells and keep the best k that are live and pass the filter.

        What the scan keeps beyond k stands in for hits that turn out to be dead or filtered; where
        a vector that it did not keep could still be a hit, it is repeated and keeps more.
        """
        cells = [cell.cell for cell in plan.cells]
        kept = math.ceil(2 * request.depth / max(plan.selectivity, 1e-6))
        while True:
            with steps("scan"):
                keys, scores = plan.segments.scan(query, cells, min(kept, plan.in_cells))
                is_all = kept >= plan.in_cells
                floor = -math.inf if is_all else float(scores[-1])  # of what was not kept
                keys, first = np.unique(np.concatenate([keys, plan.keys]), return_index=True)
                scores = np.concatenate([scores, plan.scores])[first]
                keys, scores = top(keys, scores, len(keys))
            with steps("fetch"):
                ranked = self._alive(request, keys, scores)
            if is_all or (len(ranked) == request.k and ranked[-1][1] > floor):
                return ranked
            kept *= 4

    def _alive(
        self, request: SearchRequest, keys: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> list[tuple[int, float, Entry]]:
        """The first k of the ranked keys, after the page before, that are live and pass the filter.

        Of a group only the best counts, so that each page of groups looks up all hits from the
        first again: the tenth page of 100 takes 68 ms to fetch where one without groups takes 8
        (1,890 chips on OpenSearch). The names of all groups given are too long for a token, and
        digests of them would be of one size with the pages.
        """
        groups, after, k = Groups(request.group_by), request.after, request.k
        if after is not None and not request.group_by:
            # A group that was on a page before may have more hits: groups begin with the first.
            begin = _rank_after(after, keys, scores)
            keys, scores, after = keys[begin:], scores[begin:], None
        ranked: list[tuple[int, float, Entry]] = []
        # Entries to be like are themselves among the best, and then left out with their scenes.
        wanted = (request.depth if after else k) + len(request.where.without_scenes)
        start, size = 0, min(wanted, _LARGEST_PAGE)
        while start < len(keys) and len(ranked) < k:
            page = keys[start : start + size].tolist()
            entries = self._documents.fetch(request.kind, page, request.where)
            for key, score in zip(page, scores[start : start + size].tolist(), strict=True):
                is_new = key in entries and groups.take(entries[key])
                if is_new and not (after and (-score, key) <= (-after.score, after.key)):
                    ranked.append((key, score, entries[key]))
            start, size = start + size, min(4 * size, _LARGEST_PAGE)
        return ranked[:k]

    def _explained(
        self, kind: Kind, query: NDArray[np.float32], settings: Settings, answer: Answer
    ) -> Answer:
        code = self._code(kind, query, settings, Steps())
        matched = self._explainer.matched(kind, code, [hit.key for hit in answer.hits])
        hits = (replace(hit, terms=matched[hit.key]) for hit in answer.hits)
        terms = self._explainer.terms(kind, code)
        return replace(answer, hits=tuple(hits), query_terms=terms)


def _there(id: str, found: Found | None) -> Found:
    if found is None:
        raise RequestError(f"no entry has the id {id}; take one from the hits of a search")
    return found


def _rank_after(after: After, keys: NDArray[np.int64], scores: NDArray[np.float32]) -> int:
    """How many of the ranked keys [n] come no later than a hit."""
    earlier = (scores > after.score) | ((scores == after.score) & (keys <= after.key))
    return int(np.count_nonzero(earlier))
