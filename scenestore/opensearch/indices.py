"""The indices of one generation: physical ones by revision, and the aliases that name the live."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from mappings import FORMATS, PROJECT, Name, index_body
from scenestore.entry import KINDS
from scenestore.errors import StoreError
from scenestore.opensearch.refusals import address

SCENES = "scenes"
"""The name, among kinds, of what became of scenes."""
_LOADING: dict[str, Any] = {
    "refresh_interval": "-1",
    "number_of_replicas": 0,
    "auto_expand_replicas": "false",
}
"""Settings of an index that is being filled and that no alias names yet."""


@dataclass(frozen=True)
class IndexSettings:
    """How indices that are searched are kept."""

    shards: int = 1
    replicas: int = 1
    """Copies beside the first, as far as there are nodes for them."""
    refresh_seconds: float = 5.0
    """How long a written document may be invisible to searches."""

    def serving(self) -> dict[str, Any]:
        """The settings of an index in use."""
        return {
            "refresh_interval": f"{round(1000 * self.refresh_seconds)}ms",
            "auto_expand_replicas": f"0-{self.replicas}",
        }


DEFAULT_SETTINGS = IndexSettings()


@dataclass(frozen=True)
class Family:
    """The physical indices `{alias}-{revision}` behind one alias."""

    alias: str
    mapping: Name
    facts: Mapping[str, str]
    """What `_meta` says of them beside the format, and what must agree: bundle digest, kind."""
    shared: str | None = None
    """A further alias for whichever generation is live; kept by it until it is moved."""


def families(prefix: str, generation: str, bundle: str) -> dict[str, Family]:
    """The indices of one generation: one of each kind, and one of scenes; `bundle` is a digest."""
    found: dict[str, Family] = {
        kind: Family(
            f"{prefix}-{generation}-{kind}",
            "entries",
            {"bundle": bundle, "kind": kind},
            f"{prefix}-{kind}",
        )
        for kind in KINDS
    }
    found[SCENES] = Family(
        f"{prefix}-{generation}-{SCENES}",
        "scenes",
        {"bundle": bundle},
        f"{prefix}-{SCENES}",
    )
    return found


class Indices:
    """Creates, checks, replaces and drops families of indices."""

    def __init__(self, client: OpenSearch, settings: IndexSettings) -> None:
        self._client = client
        self._settings = settings

    def create(self, family: Family) -> None:
        """Make the first physical index and its aliases in one step, unless they are there.

        Raises StoreError when an index that is not ours, or of another bundle, stands there.
        """
        if self._checked(family):
            return
        aliases = {family.alias}
        if family.shared and self._live(family.shared) is None:
            aliases.add(family.shared)
        index = self._next(family)
        try:
            self._make(family, index, self._settings.serving(), aliases)
        except RequestError as error:
            # Another process was faster: what it made is checked like any other.
            if error.error != "resource_already_exists_exception" or not self._checked(family):
                raise

    def begin(self, family: Family) -> str:
        """A new empty physical index that no alias names, with settings for loading.

        What an earlier attempt left is deleted.
        """
        live = self._live(family.alias)
        begun = self._next(family)
        for index in self._ours(family):
            if index != live:
                self._client.indices.delete(index=index)
        self._make(family, begun, _LOADING, set())
        return begun

    def finish(self, begun: Iterable[tuple[Family, str]]) -> None:
        """Make the begun indices the live ones and delete the others, in one step for all."""
        actions: list[dict[str, Any]] = []
        for family, index in begun:
            self._client.indices.put_settings(index=index, body={"index": self._settings.serving()})
            self._client.indices.refresh(index=index)
            live = self._live(family.alias)
            names = {family.alias} | (self._shared(family, live) if live else set())
            actions += [{"add": {"index": index, "alias": alias}} for alias in sorted(names)]
            if live:
                actions.append({"remove_index": {"index": live}})
        self._client.indices.update_aliases(body={"actions": actions})

    def lead(self, families: Iterable[Family]) -> None:
        """Move the shared aliases to the live indices of these families, in one step for all."""
        actions: list[dict[str, Any]] = []
        for family in families:
            if family.shared is None:
                continue
            index, before = self._live(family.alias), self._live(family.shared)
            if before == index:
                continue
            if before:
                actions.append({"remove": {"index": before, "alias": family.shared}})
            actions.append({"add": {"index": index, "alias": family.shared}})
        if actions:
            self._client.indices.update_aliases(body={"actions": actions})

    def drop(self, family: Family) -> None:
        """Delete the family's indices, whatever revision; their aliases go with them."""
        for index in self._ours(family):
            self._client.indices.delete(index=index)

    def _make(
        self, family: Family, index: str, settings: Mapping[str, Any], aliases: set[str]
    ) -> None:
        body = index_body(family.mapping, **family.facts)
        shards = {"number_of_shards": self._settings.shards}
        body["settings"] = {"index": {**shards, **settings}}
        body["aliases"] = {alias: {} for alias in sorted(aliases)}
        self._client.indices.create(index=index, body=body)

    def _live(self, alias: str) -> str | None:
        """The physical index that the alias names; StoreError when it is not ours."""
        found = self._client.indices.get_mapping(index=alias, params={"ignore": 404})
        if found.get("status") == 404:
            return None
        for index, body in found.items():
            if _meta(body) is None or index == alias:
                raise StoreError(
                    f"OpenSearch at {address(self._client)} has an index {index} that SceneSift "
                    "did not make; choose another prefix, or remove it"
                )
        return str(next(iter(found)))

    def _checked(self, family: Family) -> str | None:
        """The live physical index, after a check that it was made as it would be made now."""
        index = self._live(family.alias)
        if index is None:
            return None
        body = self._client.indices.get_mapping(index=index)[index]
        self._check_made(family, index, _meta(body) or {})
        return index

    def check(self, families: Iterable[Family]) -> None:
        """Check those of the live indices that there are, all with one request."""
        by_name = {family.alias: family for family in families}
        params = {"ignore_unavailable": "true"}
        found = self._client.indices.get_mapping(index=",".join(by_name), params=params)
        for index, body in found.items():
            family = by_name.get(index.rpartition("-")[0])
            meta = _meta(body)
            if family is not None and meta is not None:
                self._check_made(family, index, meta)

    def _check_made(self, family: Family, index: str, meta: Mapping[str, Any]) -> None:
        """Raise StoreError unless an index was made as it would be made now."""
        where = f"index {index} at {address(self._client)}"
        if meta.get("format") != FORMATS[family.mapping]:
            raise StoreError(
                f"{where} has format {meta.get('format')}, "
                f"this version writes {FORMATS[family.mapping]}; "
                "run `scenesift rebuild`"
            )
        for name, value in family.facts.items():
            if meta.get(name) != value:
                raise StoreError(
                    f"{where} was made with {name} {meta.get(name)}, not {value}; "
                    f"use that {name}, or make a new generation"
                )

    def _shared(self, family: Family, index: str) -> set[str]:
        """The shared alias, if it names the index."""
        aliases = self._client.indices.get_alias(index=index)[index]["aliases"]
        return {family.shared} & set(aliases) if family.shared else set()

    def _ours(self, family: Family) -> list[str]:
        """Physical indices of the family that we made, whether an alias names them or not."""
        return [index for index, body in self._physical(family).items() if _meta(body) is not None]

    def _next(self, family: Family) -> str:
        """A name of the next revision, that no index has."""
        taken = [int(index.rpartition("-")[2]) for index in self._physical(family)]
        return f"{family.alias}-{max(taken, default=0) + 1}"

    def _physical(self, family: Family) -> dict[str, dict[str, Any]]:
        """Mappings of all indices named like a revision of the family."""
        named = re.compile(rf"{re.escape(family.alias)}-\d+")
        found = self._client.indices.get_mapping(index=f"{family.alias}-*")
        return {index: body for index, body in found.items() if named.fullmatch(index)}


def _meta(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """What we wrote about an index when making it; None where another made it."""
    meta: dict[str, Any] | None = body["mappings"].get("_meta", {}).get(PROJECT)
    return meta
