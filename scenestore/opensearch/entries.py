"""Live entries in OpenSearch: one index a kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scenestore.aggregation import Counts, Grouping
from scenestore.entry import KINDS, Entry, Kind
from scenestore.extent import Extent
from scenestore.filters import Filter
from scenestore.listing import Listed, Order, Position, Unit, check
from scenestore.opensearch import aggregation, extent, fields, listing, queries
from scenestore.opensearch.expressions import all_of
from scenestore.opensearch.live import PAGE, LiveIndices, hits_of
from scenestore.ports import Found
from scenestore.reader import SegmentReader
from sgpd.guide import Guide

_AT_ONCE = 1_000
"""Documents that are asked for by id in one request."""


class OpenSearchEntries:
    """Implements `scenestore.ports.LiveEntries`.

    What is searched (guide, count, keys, fetch, live) was written before the last refresh: at most
    `IndexSettings.refresh_seconds` ago, or when `refresh` was called. `lookup` is never behind.
    """

    def __init__(self, indices: LiveIndices, reader: SegmentReader) -> None:
        self._live = indices
        self._reader = reader

    def tolerant(self, missing: list[str]) -> OpenSearchEntries:
        """The same for one search that goes on without shards that fail, named in `missing`."""
        return OpenSearchEntries(self._live.tolerant(missing), self._reader)

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
            counted, found = self._live.multi_search(kind, [queries.count_body(where), body])
            matches = int(counted["hits"]["total"]["value"])
        else:
            found = self._live.search(kind, body, queries.GUIDE_SHAPE)
        ranked = [hit["sort"] for hit in hits_of(found)]
        return Guide(
            np.array([key for _, key in ranked], np.int64),
            np.array([score for score, _ in ranked], np.float32),
            matches,
        )

    def count(self, kind: Kind, where: Filter, unit: Unit = "entry") -> int:
        """How many live entries, or scenes that have any, pass the filter."""
        found = self._live.search(kind, queries.count_body(where, unit), "hits.total")
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
        found = self._live.search(kind, body, listing.SHAPE)
        return [listing.listed(hit, order) for hit in hits_of(found)]

    def aggregate(self, kind: Kind, where: Filter, grouping: Grouping, unit: Unit) -> Counts:
        """How many live entries, or scenes, that pass the filter are of each group.

        What is written meanwhile may be counted or not where there are more than 10,000 groups.
        """
        query = queries.selected(where, unit)
        return aggregation.counts(
            lambda body: self._live.search(kind, body, aggregation.SHAPE), query, grouping
        )

    def extents(self, kind: Kind, where: Filter) -> dict[str, Extent]:
        """What the scenes with live entries that pass the filter cover, by collection."""
        body = extent.body(queries.selected(where, "scene"))
        return extent.extents(self._live.search(kind, body, extent.SHAPE))

    def counts_by_cell(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """How many live entries pass the filter in each cell, [C]."""
        counts = np.zeros(len(self._reader.bundle.space(kind).cells), np.int64)
        body = queries.counts_body(where, len(counts))
        found = self._live.search(kind, body, "aggregations.cells.buckets")
        for bucket in found.get("aggregations", {}).get("cells", {}).get("buckets", ()):
            counts[bucket["key"]] = bucket["doc_count"]
        return counts

    def keys(self, kind: Kind, where: Filter, limit: int) -> NDArray[np.int64]:
        """Keys of live entries that pass the filter, ascending, at most `limit` of them."""
        query = all_of(queries.LIVE, *queries.filters(where))
        found: list[int] = []
        for page in self._live.pages(
            kind, query, ("key",), "hits.hits.sort", queries.NO_FIELDS, limit
        ):
            found += [hit["sort"][0] for hit in page]
        return np.array(found, np.int64)

    def alive(self, kind: Kind, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys live entries carry, same shape."""
        found: list[int] = []
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE].tolist()
            body = queries.page_body({"terms": {"key": page}}, ("key",), len(page), None)
            hits = hits_of(self._live.search(kind, body | queries.NO_FIELDS, "hits.hits.sort"))
            found += [hit["sort"][0] for hit in hits]
        return np.isin(keys, np.array(found, np.int64))

    def fetch(self, kind: Kind, keys: Sequence[int], where: Filter) -> dict[int, Entry]:
        """The entries of those keys that are live and pass the filter."""
        found: dict[int, Entry] = {}
        for start in range(0, len(keys), PAGE):
            body = queries.fetch_body(keys[start : start + PAGE], where)
            for hit in hits_of(self._live.search(kind, body, queries.FETCH_SHAPE)):
                found[hit["_source"]["key"]] = fields.entry(hit["_source"])
        return found

    def lookup(self, id: str) -> Found | None:
        """The live entry of an identity's id, of any kind, as of now."""
        return self.lookup_all([id]).get(id)

    def lookup_all(self, ids: Sequence[str], kinds: Sequence[Kind] = KINDS) -> dict[str, Found]:
        """Those of the ids that live entries of the kinds have, as of now."""
        wanted = ["key", *fields.ENTRY_FIELDS]
        found: dict[str, Found] = {}
        for start in range(0, len(ids), _AT_ONCE):
            page = [{"_id": id, "_source": wanted} for id in ids[start : start + _AT_ONCE]]
            for source in self._live.get(page, kinds):
                if "key" in source:
                    entry = fields.entry(source)
                    found[entry.identity.id] = Found(source["key"], entry)
        return found

    def live(self, kind: Kind) -> Iterator[tuple[int, str]]:
        """(key, id) of every live entry, keys ascending, page by page.

        An entry that is written anew meanwhile may come twice, with its old and its new key.
        """
        shape = "hits.hits.sort,hits.hits._id"
        for page in self._live.pages(kind, queries.LIVE, ("key",), shape, {"_source": False}):
            for hit in page:
                yield hit["sort"][0], hit["_id"]
