"""Entries and outcomes in OpenSearch: one index a kind, one for scenes, behind aliases."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opensearchpy import OpenSearch

from scenestore.aggregation import Counts, Grouping
from scenestore.batch import Batch
from scenestore.entry import KINDS, Entry, Identity, Kind, SceneOutcome, scene_id
from scenestore.errors import StoreError
from scenestore.extent import Extent
from scenestore.filters import Filter
from scenestore.listing import Listed, Order, Position, Unit, check
from scenestore.opensearch import aggregation, extent, fields, listing, queries
from scenestore.opensearch.bulk import send, versioned
from scenestore.opensearch.expressions import all_of
from scenestore.opensearch.indices import DEFAULT_SETTINGS, Family, IndexSettings, Indices
from scenestore.opensearch.refusals import address, refusal, translated
from scenestore.ports import Found
from scenestore.reader import SegmentReader
from sgpd.guide import Guide

_PAGE = 10_000
"""Documents of one answer (index.max_result_window)."""
_SHARDS = "_shards.total,_shards.successful"
_SCENES = "scenes"


class OpenSearchDocuments:
    """Implements `scenestore.ports.Documents`.

    Searches (guide, count, keys, fetch, live) see what was written before the last refresh: at
    most `IndexSettings.refresh_seconds` ago, or when `refresh` was called. `lookup` is never
    behind. What keeps the books (identities, outcomes and their counts) refreshes first.
    """

    def __init__(
        self,
        client: OpenSearch,
        prefix: str,
        generation: str,
        reader: SegmentReader,
        settings: IndexSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._client = client
        self._reader = reader
        self._indices = Indices(client, settings)
        bundle = reader.bundle.digest
        self._families: dict[str, Family] = {
            kind: Family(
                f"{prefix}-{generation}-{kind}",
                "entries",
                {"bundle": bundle, "kind": kind},
                f"{prefix}-{kind}",
            )
            for kind in KINDS
        }
        self._families[_SCENES] = Family(
            f"{prefix}-{generation}-{_SCENES}",
            "scenes",
            {"bundle": bundle},
            f"{prefix}-{_SCENES}",
        )
        self._begun: dict[str, str] = {}
        """Physical indices that `write` fills between `reset` and `swap`."""
        self._missing: list[str] | None = None
        """Where searches say what they went on without; None: they fail instead."""

    def create(self) -> None:
        """Make indices and aliases; nothing happens when they are there."""
        with translated(self._client):
            for family in self._families.values():
                self._indices.create(family)

    def check(self) -> None:
        """Raise StoreError, with both digests, when the indices were made with another bundle."""
        with translated(self._client):
            self._indices.check(self._families.values())

    def write(self, batch: Batch) -> list[SceneOutcome]:
        """Project a batch; safe to repeat. Returns the outcomes that met a higher ordinal.

        An outcome is sent once all entries are taken: whoever finds it finds them as well.
        """
        guarded = not self._begun
        send(self._client, self._entries(batch), require_alias=guarded)
        newer = send(self._client, self._outcomes(batch), require_alias=guarded)
        return [outcome for outcome in batch.outcomes if outcome.id in newer] if newer else []

    def _entries(self, batch: Batch) -> Iterator[bytes]:
        for kind in KINDS:
            terms = self._reader.bundle.space(kind).sparsifier.lexicon.terms
            index = self._begun.get(kind, self._families[kind].alias)
            for id, document in fields.entry_documents(batch, kind, terms):
                yield versioned(index, id, batch.ordinal, document)

    def _outcomes(self, batch: Batch) -> Iterator[bytes]:
        index = self._begun.get(_SCENES, self._families[_SCENES].alias)
        for id, document in fields.outcome_documents(batch):
            yield versioned(index, id, batch.ordinal, document)

    def refresh(self) -> None:
        """Make everything written so far visible to searches."""
        with translated(self._client):
            self._client.indices.refresh(index=",".join(f.alias for f in self._families.values()))

    def tolerant(self, missing: list[str]) -> OpenSearchDocuments:
        """The same for one search that goes on without shards that fail, named in `missing`.

        For what people search, never for what keeps the books.
        """
        tolerant = copy.copy(self)
        tolerant._missing = missing
        return tolerant

    def guide(
        self,
        kind: Kind,
        terms: NDArray[np.uint32],
        weights: NDArray[np.float32],
        size: int,
        where: Filter,
    ) -> Guide:
        """The `size` best live entries by sparse score that pass the filter, by (-score, key).

        At most 1,024 terms and a size of 10,000. One request, also where matches are counted.
        """
        lexicon = self._reader.bundle.space(kind).sparsifier.lexicon.terms
        names = [lexicon[term] for term in terms.tolist()]
        body = queries.guide_body(names, weights.tolist(), size, where)
        if not names:
            body["query"] = {"match_none": {}}
        matches = None
        if where.narrows:
            counted, found = self._multi_search(kind, [queries.count_body(where), body])
            matches = int(counted["hits"]["total"]["value"])
        else:
            found = self._search(kind, body, queries.GUIDE_SHAPE)
        ranked = [hit["sort"] for hit in _hits(found)]
        return Guide(
            np.array([key for _, key in ranked], np.int64),
            np.array([score for score, _ in ranked], np.float32),
            matches,
        )

    def count(self, kind: Kind, where: Filter, unit: Unit = "entry") -> int:
        """How many live entries, or scenes that have any, pass the filter."""
        found = self._search(kind, queries.count_body(where, unit), "hits.total")
        return int(found["hits"]["total"]["value"])

    def listing(
        self,
        kind: Kind,
        where: Filter,
        order: Sequence[Order],
        size: int,
        after: Position | None,
        unit: Unit,
    ) -> list[Listed]:
        """The next `size` live entries, or scenes, that pass the filter; fewer are the last."""
        check(order, after, unit)
        body = listing.page_body(queries.selected(where, unit), order, size, after)
        found = self._search(kind, body, listing.SHAPE)
        return [listing.listed(hit, order) for hit in _hits(found)]

    def aggregate(self, kind: Kind, where: Filter, grouping: Grouping, unit: Unit) -> Counts:
        """How many live entries, or scenes, that pass the filter are of each group.

        What is written meanwhile may be counted or not where there are more than 10,000 groups.
        """
        query = queries.selected(where, unit)
        return aggregation.counts(
            lambda body: self._search(kind, body, aggregation.SHAPE), query, grouping
        )

    def extent(self, kind: Kind, where: Filter) -> Extent:
        """What the live entries that pass the filter cover."""
        body = extent.body(queries.selected(where, "entry"))
        return extent.extent(self._search(kind, body, extent.SHAPE))

    def counts_by_cell(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """How many live entries pass the filter in each cell, [C]."""
        counts = np.zeros(len(self._reader.bundle.space(kind).cells), np.int64)
        body = queries.counts_body(where, len(counts))
        found = self._search(kind, body, "aggregations.cells.buckets")
        for bucket in found.get("aggregations", {}).get("cells", {}).get("buckets", ()):
            counts[bucket["key"]] = bucket["doc_count"]
        return counts

    def keys(self, kind: Kind, where: Filter, limit: int) -> NDArray[np.int64]:
        """Keys of live entries that pass the filter, ascending, at most `limit` of them."""
        query = all_of(queries.LIVE, *queries.filters(where))
        found: list[int] = []
        for page in self._pages(kind, query, ("key",), "hits.hits.sort", queries.NO_FIELDS, limit):
            found += [hit["sort"][0] for hit in page]
        return np.array(found, np.int64)

    def alive(self, kind: Kind, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys live entries carry, same shape."""
        found: list[int] = []
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE].tolist()
            body = queries.page_body({"terms": {"key": page}}, ("key",), len(page), None)
            hits = _hits(self._search(kind, body | queries.NO_FIELDS, "hits.hits.sort"))
            found += [hit["sort"][0] for hit in hits]
        return np.isin(keys, np.array(found, np.int64))

    def fetch(self, kind: Kind, keys: Sequence[int], where: Filter) -> dict[int, Entry]:
        """The entries of those keys that are live and pass the filter."""
        found: dict[int, Entry] = {}
        for start in range(0, len(keys), _PAGE):
            body = queries.fetch_body(keys[start : start + _PAGE], where)
            for hit in _hits(self._search(kind, body, queries.FETCH_SHAPE)):
                found[hit["_source"]["key"]] = fields.entry(hit["_source"])
        return found

    def lookup(self, id: str) -> Found | None:
        """The live entry of an identity's id, of any kind, as of now."""
        wanted = ["key", *fields.ENTRY_FIELDS]
        for source in self._get([{"_id": id, "_source": wanted}], KINDS):
            if "key" in source:
                return Found(source["key"], fields.entry(source))
        return None

    def _get(
        self, wanted: Sequence[Mapping[str, Any]], names: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """What is wanted of the documents that there are in the named indices, as of now."""
        docs = [{"_index": self._families[name].alias, **want} for name in names for want in wanted]
        with translated(self._client):
            answer = self._client.mget(body={"docs": docs}) if docs else {"docs": []}
        for doc in answer["docs"]:
            if "error" in doc:
                raise refusal(404, doc["error"], self._where())
            if doc["found"]:
                yield doc["_source"]

    def live(self, kind: Kind) -> Iterator[tuple[int, str]]:
        """(key, id) of every live entry, keys ascending, page by page.

        An entry that is written anew meanwhile may come twice, with its old and its new key.
        """
        shape = "hits.hits.sort,hits.hits._id"
        for page in self._pages(kind, queries.LIVE, ("key",), shape, {"_source": False}):
            for hit in page:
                yield hit["sort"][0], hit["_id"]

    def identities(
        self, scenes: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], list[Identity]]:
        """Live identities of the given (collection, scene) pairs, as of now."""
        self.refresh()
        found: dict[tuple[str, str], list[Identity]] = {}
        for start in range(0, len(scenes), _PAGE):
            query = all_of(queries.LIVE, queries.any_scene(scenes[start : start + _PAGE]))
            for kind in KINDS:
                shape = "hits.hits.sort,hits.hits._source"
                wanted = {"_source": ["identity"]}
                for page in self._pages(kind, query, ("key",), shape, wanted):
                    for hit in page:
                        who = Identity.parse(hit["_source"]["identity"])
                        found.setdefault((who.collection, who.scene), []).append(who)
        return found

    def outcomes_of(self, scenes: Sequence[tuple[str, str]]) -> dict[tuple[str, str], SceneOutcome]:
        """The last outcomes of the given (collection, scene) pairs, as of now."""
        found: dict[tuple[str, str], SceneOutcome] = {}
        wanted = list(fields.OUTCOME_FIELDS)
        for start in range(0, len(scenes), _PAGE):
            ids = [scene_id(*pair) for pair in scenes[start : start + _PAGE]]
            for doc in self._get([{"_id": id, "_source": wanted} for id in ids], (_SCENES,)):
                outcome = fields.outcome(doc)
                found[outcome.collection, outcome.scene] = outcome
        return found

    def outcomes(self, collection: str | None) -> Iterator[SceneOutcome]:
        """The last outcome of every scene (deleted ones left out), by collection and scene."""
        self.refresh()
        named = [] if collection is None else [{"term": {"collection": collection}}]
        query = {"bool": {"filter": named, "must_not": [{"term": {"status": "deleted"}}]}}
        order = ("collection", "scene")
        shape = "hits.hits.sort,hits.hits._source"
        wanted = {"_source": list(fields.OUTCOME_FIELDS)}
        for page in self._pages(_SCENES, query, order, shape, wanted):
            for hit in page:
                yield fields.outcome(hit["_source"])

    def outcome_counts(self) -> dict[str, int]:
        """Scenes by status: indexed, skipped, failed."""
        self.refresh()
        counts = dict.fromkeys(("indexed", "skipped", "failed"), 0)
        body = {"size": 0, "aggs": {"statuses": {"terms": {"field": "status"}}}}
        found = self._search(_SCENES, body, "aggregations")
        for bucket in found["aggregations"]["statuses"]["buckets"]:
            if bucket["key"] in counts:
                counts[bucket["key"]] = bucket["doc_count"]
        return counts

    def reset(self) -> None:
        """Begin empty indices beside the live ones; what an earlier reset left is deleted."""
        with translated(self._client):
            self._begun = {
                name: self._indices.begin(family) for name, family in self._families.items()
            }

    def swap(self) -> None:
        """Put the indices begun by `reset` in the live ones' place, in one step."""
        if not self._begun:
            raise StoreError("nothing to swap: no rebuild was begun; run `scenesift rebuild`")
        with translated(self._client):
            self._indices.finish((self._families[n], index) for n, index in self._begun.items())
        self._begun = {}

    def lead(self) -> None:
        """Let the aliases that are for whichever generation is live name this one."""
        with translated(self._client):
            self._indices.lead(self._families.values())

    def drop(self) -> None:
        """Remove everything of this generation."""
        with translated(self._client):
            for family in self._families.values():
                self._indices.drop(family)
        self._begun = {}

    def close(self) -> None:
        """Nothing to give back: the client is shared by all generations of its engine."""

    def _where(self) -> str:
        return f"OpenSearch at {address(self._client)}"

    def _search(self, name: str, body: dict[str, Any], shape: str) -> dict[str, Any]:
        params = {"allow_partial_search_results": "false", "filter_path": shape}
        if self._missing is not None:
            params = {"allow_partial_search_results": "true", "filter_path": f"{shape},{_SHARDS}"}
        with translated(self._client):
            found: dict[str, Any] = self._client.search(
                index=self._families[name].alias, body=body, params=params
            )
        self._note_missing(name, found)
        return found

    def _note_missing(self, name: str, found: Mapping[str, Any]) -> None:
        """Remember the shards that an answer had to do without.

        One that no node has is in no count of failures (3.8): it is merely not successful.
        """
        if self._missing is None:
            return
        total, answered = found["_shards"]["total"], found["_shards"]["successful"]
        if answered < total:
            alias = self._families[name].alias
            self._missing.append(f"{total - answered} of {total} shards of {alias}")

    def _multi_search(self, name: str, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Several searches in one request; each answer holds total and sort values."""
        header = {"allow_partial_search_results": self._missing is not None}
        lines = [line for body in bodies for line in (header, body)]
        parts = ("hits.total", "hits.hits.sort", "status", "error", *_SHARDS.split(","))
        shape = ",".join(f"responses.{part}" for part in parts)
        with translated(self._client):
            answer = self._client.msearch(
                body=lines, index=self._families[name].alias, params={"filter_path": shape}
            )
        found: list[dict[str, Any]] = answer["responses"]
        for part in found:
            if "error" in part:
                raise refusal(part["status"], part["error"], self._where())
            self._note_missing(name, part)
        return found

    def _pages(
        self,
        name: str,
        query: dict[str, Any],
        order: Sequence[str],
        shape: str,
        wanted: Mapping[str, Any],
        limit: int | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """The matching documents in order, `_PAGE` at a time, at most `limit` of them.

        `wanted` is the part of the body that says what is asked of each.
        """
        after: list[Any] | None = None
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            body = {**queries.page_body(query, order, size, after), **wanted}
            hits = _hits(self._search(name, body, shape))
            if hits:
                yield hits
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
            left = None if left is None else left - size


def _hits(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The hits of an answer; a filtered answer without any lacks the list."""
    hits: list[dict[str, Any]] = found.get("hits", {}).get("hits", [])
    return hits
