"""The live indices of one generation, as they are asked."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from scenestore.opensearch import queries
from scenestore.opensearch.indices import Family
from scenestore.opensearch.refusals import address, refusal, translated

PAGE = 10_000
"""Documents of one answer (index.max_result_window)."""
_SHARDS = "_shards.total,_shards.successful"


class LiveIndices:
    """Searches and reads by id, by the name of a kind or of the scenes; foreign errors translated.

    A search sees what was written before the last refresh, a read by id what was written.
    """

    def __init__(self, client: OpenSearch, families: Mapping[str, Family]) -> None:
        """`families` are the indices' by name: of each kind, and of the scenes."""
        self.client = client
        self.families = families
        self._missing: list[str] | None = None
        """Where searches say what they went on without; None: they fail instead."""

    def tolerant(self, missing: list[str]) -> LiveIndices:
        """The same, but going on without shards that fail, named in `missing`."""
        tolerant = copy.copy(self)
        tolerant._missing = missing
        return tolerant

    def refresh(self) -> None:
        """Make everything written so far visible to searches."""
        with translated(self.client):
            self.client.indices.refresh(
                index=",".join(each.alias for each in self.families.values())
            )

    def get(
        self, wanted: Sequence[Mapping[str, Any]], names: Sequence[str]
    ) -> Iterator[dict[str, Any]]:
        """What is wanted of the documents that there are in the named indices, as of now."""
        docs = [{"_index": self.families[name].alias, **want} for name in names for want in wanted]
        with translated(self.client):
            answer = self.client.mget(body={"docs": docs}) if docs else {"docs": []}
        for doc in answer["docs"]:
            if "error" in doc:
                if self._missing is None:
                    raise refusal(404, doc["error"], self._where())
                self._missing.append(f"a shard of {doc['_index']}")
            elif doc["found"]:
                yield doc["_source"]

    def search(self, name: str, body: dict[str, Any], shape: str) -> dict[str, Any]:
        """The parts of an answer that `shape` names."""
        params = {"allow_partial_search_results": "false", "filter_path": shape}
        if self._missing is not None:
            params = {"allow_partial_search_results": "true", "filter_path": f"{shape},{_SHARDS}"}
        with translated(self.client):
            found: dict[str, Any] = self.client.search(
                index=self.families[name].alias, body=body, params=params
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
            alias = self.families[name].alias
            self._missing.append(f"{total - answered} of {total} shards of {alias}")

    def multi_search(self, name: str, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Several searches in one request; each answer holds total and sort values."""
        header = {"allow_partial_search_results": self._missing is not None}
        lines = [line for body in bodies for line in (header, body)]
        parts = ("hits.total", "hits.hits.sort", "status", "error", *_SHARDS.split(","))
        shape = ",".join(f"responses.{part}" for part in parts)
        with translated(self.client):
            answer = self.client.msearch(
                body=lines, index=self.families[name].alias, params={"filter_path": shape}
            )
        found: list[dict[str, Any]] = answer["responses"]
        for part in found:
            if "error" in part:
                raise refusal(part["status"], part["error"], self._where())
            self._note_missing(name, part)
        return found

    def pages(
        self,
        name: str,
        query: dict[str, Any],
        order: Sequence[str],
        shape: str,
        wanted: Mapping[str, Any],
        limit: int | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """The matching documents in order, `PAGE` at a time, at most `limit` of them.

        `wanted` is the part of the body that says what is asked of each.
        """
        after: list[Any] | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            body = {**queries.page_body(query, order, size, after), **wanted}
            hits = hits_of(self.search(name, body, shape))
            if hits:
                yield hits
            if len(hits) < size:
                return
            after = hits[-1]["sort"]
            left = None if left is None else left - size

    def _where(self) -> str:
        return f"OpenSearch at {address(self.client)}"


def hits_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The hits of an answer; a filtered answer without any lacks the list."""
    hits: list[dict[str, Any]] = found.get("hits", {}).get("hits", [])
    return hits
