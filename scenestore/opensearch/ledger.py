"""The ledger in OpenSearch: one document a name, compare-and-set by sequence number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError as WriteConflictError

from scenestore.errors import ConflictError
from scenestore.opensearch.connection import translated
from scenestore.opensearch.indices import DEFAULT_SETTINGS, Family, IndexSettings, Indices
from scenestore.opensearch.queries import page_body
from scenestore.ports import Record

_PAGE = 10_000
_IF_THERE = {"ignore": 404}


class OpenSearchLedger:
    """Implements `scenestore.ports.Ledger`; a read is never behind, it needs no refresh."""

    def __init__(
        self, client: OpenSearch, prefix: str, settings: IndexSettings = DEFAULT_SETTINGS
    ) -> None:
        self._client = client
        self._family = Family(f"{prefix}-ledger", "ledger", {})
        self._indices = Indices(client, settings)
        self._created = False

    def read(self, name: str) -> Record | None:
        """The document, as of now, or None."""
        with translated(self._client):
            found = self._client.get(index=self._family.alias, id=name, params=_IF_THERE)
        if not found.get("found"):
            return None
        version = (found["_seq_no"], found["_primary_term"])
        return Record(found["_source"]["value"], version)

    def write(self, name: str, value: Mapping[str, Any], version: Any) -> Any:
        """Replace the document if it still has `version` (None: if there is none)."""
        condition: dict[str, Any] = {"op_type": "create"}
        if version is not None:
            condition = {"if_seq_no": version[0], "if_primary_term": version[1]}
        with translated(self._client):
            self._create()
            try:
                written = self._client.index(
                    index=self._family.alias,
                    id=name,
                    body={"name": name, "value": dict(value)},
                    params={**condition, "require_alias": "true"},
                )
            except WriteConflictError as error:
                raise ConflictError(
                    f"{name} was changed by another writer; read it again"
                ) from error
        return written["_seq_no"], written["_primary_term"]

    def _create(self) -> None:
        """Make the index before the first write: who only reads needs no right to."""
        if not self._created:
            self._indices.create(self._family)
            self._created = True

    def delete(self, name: str) -> None:
        """Remove the document; nothing happens when there is none."""
        with translated(self._client):
            self._client.delete(index=self._family.alias, id=name, params=_IF_THERE)

    def names(self, prefix: str) -> list[str]:
        """The names that start with `prefix`, sorted; as of now."""
        names: list[str] = []
        with translated(self._client):
            answer = self._client.indices.refresh(index=self._family.alias, params=_IF_THERE)
            while answer.get("status") != 404:
                query = {"prefix": {"name": prefix}}
                body = page_body(query, ("name",), _PAGE, names[-1:] or None)
                found = self._client.search(
                    index=self._family.alias,
                    body={**body, "_source": False},
                    params={
                        "filter_path": "hits.hits.sort",
                        "allow_partial_search_results": "false",
                    },
                )
                page = [hit["sort"][0] for hit in found.get("hits", {}).get("hits", [])]
                names += page
                if len(page) < _PAGE:
                    break
        return names

    def drop(self) -> None:
        """Remove the whole ledger, of every generation."""
        with translated(self._client):
            self._indices.drop(self._family)
        self._created = False
