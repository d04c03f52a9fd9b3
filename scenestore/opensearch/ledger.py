"""The ledger in OpenSearch: one document a name, compare-and-set by sequence number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import AuthorizationException
from opensearchpy.exceptions import ConflictError as WriteConflictError

from scenestore.errors import ConflictError
from scenestore.opensearch.indices import DEFAULT_SETTINGS, Family, IndexSettings, Indices
from scenestore.opensearch.queries import page_body
from scenestore.opensearch.refusals import address, refusal, translated
from scenestore.ports import Record

_PAGE = 10_000
_READ_AT_ONCE = 500
"""Documents of one answer: a batch's is some hundred bytes."""
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
        return _record(found)

    def read_many(self, names: Sequence[str]) -> dict[str, Record]:
        """Those of the documents that there are, by name, as of now."""
        found: dict[str, Record] = {}
        for start in range(0, len(names), _READ_AT_ONCE):
            body = {"ids": list(names[start : start + _READ_AT_ONCE])}
            with translated(self._client):
                answer = self._client.mget(body=body, index=self._family.alias)
            for doc in answer["docs"]:
                cause = doc.get("error", {})
                if cause and cause["type"] != "index_not_found_exception":
                    raise refusal(503, cause, f"OpenSearch at {address(self._client)}")
                if doc.get("found"):
                    found[doc["_id"]] = _record(doc)
        return found

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
        """The names that start with `prefix`, sorted; as of now.

        For who may only read, as of when the index was last refreshed, some seconds ago.
        """
        names: list[str] = []
        with translated(self._client):
            answer = self._refreshed()
            while answer.get("status") != 404:
                query = {"prefix": {"name": prefix}}
                body = page_body(query, ("name",), _PAGE, names[-1:] or None)
                found = self._client.search(
                    index=self._family.alias,
                    body={**body, "_source": False},
                    params={
                        "filter_path": "hits.hits.sort",
                        "allow_partial_search_results": "false",
                        **_IF_THERE,
                    },
                )
                page = [hit["sort"][0] for hit in found.get("hits", {}).get("hits", [])]
                names += page
                if len(page) < _PAGE:
                    break
        return names

    def _refreshed(self) -> Any:
        """What OpenSearch says to a refresh; nothing where we may not ask for one."""
        try:
            return self._client.indices.refresh(index=self._family.alias, params=_IF_THERE)
        except AuthorizationException:
            return {}

    def drop(self) -> None:
        """Remove the whole ledger, of every generation."""
        with translated(self._client):
            self._indices.drop(self._family)
        self._created = False


def _record(found: Mapping[str, Any]) -> Record:
    return Record(found["_source"]["value"], (found["_seq_no"], found["_primary_term"]))
