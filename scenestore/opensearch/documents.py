"""Documents in OpenSearch: one index a kind, one for scenes, behind aliases."""

from __future__ import annotations

from opensearchpy import OpenSearch

from scenestore.opensearch.books import OpenSearchBooks
from scenestore.opensearch.entries import OpenSearchEntries
from scenestore.opensearch.indices import DEFAULT_SETTINGS, IndexSettings, families
from scenestore.opensearch.live import LiveIndices
from scenestore.opensearch.projection import OpenSearchProjection
from scenestore.reader import SegmentReader


class OpenSearchDocuments(OpenSearchEntries, OpenSearchBooks, OpenSearchProjection):
    """Implements `scenestore.ports.Documents`: three roles over the same indices."""

    def __init__(
        self,
        client: OpenSearch,
        prefix: str,
        generation: str,
        reader: SegmentReader,
        settings: IndexSettings = DEFAULT_SETTINGS,
    ) -> None:
        bundle = reader.bundle
        indices = LiveIndices(client, families(prefix, generation, bundle.digest))
        OpenSearchEntries.__init__(self, indices, reader)
        OpenSearchBooks.__init__(self, indices)
        OpenSearchProjection.__init__(self, indices, bundle, settings)
