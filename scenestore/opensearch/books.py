"""What became of each scene, and which identities are live, in OpenSearch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scenestore.entry import KINDS, Identity, Scene, SceneOutcome, scene_id, scene_of
from scenestore.opensearch import fields, queries
from scenestore.opensearch.expressions import all_of
from scenestore.opensearch.indices import SCENES
from scenestore.opensearch.live import PAGE, LiveIndices


class OpenSearchBooks:
    """Implements `scenestore.ports.Books`; what has to be searched is refreshed first."""

    def __init__(self, indices: LiveIndices) -> None:
        self._live = indices

    def identities(self, scenes: Sequence[Scene]) -> dict[Scene, list[Identity]]:
        """Live identities of the given (collection, scene) pairs, as of now."""
        self._live.refresh()
        found: dict[Scene, list[Identity]] = {}
        for start in range(0, len(scenes), PAGE):
            query = all_of(queries.LIVE, queries.any_scene(scenes[start : start + PAGE]))
            for kind in KINDS:
                shape = "hits.hits.sort,hits.hits._source"
                wanted = {"_source": ["identity"]}
                for page in self._live.pages(kind, query, ("key",), shape, wanted):
                    for hit in page:
                        who = Identity.parse(hit["_source"]["identity"])
                        found.setdefault(scene_of(who), []).append(who)
        return found

    def outcomes_of(self, scenes: Sequence[Scene]) -> dict[Scene, SceneOutcome]:
        """The last outcomes of the given (collection, scene) pairs, as of now."""
        found: dict[Scene, SceneOutcome] = {}
        wanted = list(fields.OUTCOME_FIELDS)
        for start in range(0, len(scenes), PAGE):
            ids = [scene_id(*pair) for pair in scenes[start : start + PAGE]]
            for doc in self._live.get([{"_id": id, "_source": wanted} for id in ids], (SCENES,)):
                outcome = fields.outcome(doc)
                found[scene_of(outcome)] = outcome
        return found

    def outcomes(self, collection: str | None) -> Iterator[SceneOutcome]:
        """The last outcome of every scene (deleted ones left out), by collection and scene."""
        self._live.refresh()
        named = [] if collection is None else [{"term": {"collection": collection}}]
        query = {"bool": {"filter": named, "must_not": [{"term": {"status": "deleted"}}]}}
        order = ("collection", "scene")
        shape = "hits.hits.sort,hits.hits._source"
        wanted = {"_source": list(fields.OUTCOME_FIELDS)}
        for page in self._live.pages(SCENES, query, order, shape, wanted):
            for hit in page:
                yield fields.outcome(hit["_source"])

    def outcome_counts(self) -> dict[str, int]:
        """Scenes by status: indexed, skipped, failed."""
        self._live.refresh()
        counts = dict.fromkeys(("indexed", "skipped", "failed"), 0)
        body = {"size": 0, "aggs": {"statuses": {"terms": {"field": "status"}}}}
        found = self._live.search(SCENES, body, "aggregations")
        for bucket in found["aggregations"]["statuses"]["buckets"]:
            if bucket["key"] in counts:
                counts[bucket["key"]] = bucket["doc_count"]
        return counts
