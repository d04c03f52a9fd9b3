"""Links between the documents of the API; all absolute."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, urlencode

from starlette.requests import Request

from query_service.service import service_of
from query_service.stac.assets import Sources

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"

PREFIX = "/stac"
"""Where the API is mounted in the service."""

MOST_CHILDREN = 100
"""Collections that the landing page links to one by one; `/collections` has all, page by page."""

Link = dict[str, Any]


@dataclass(frozen=True)
class Links:
    """What documents link to."""

    service: str
    """Where the service answers, such as http://127.0.0.1:8000; no slash at its end."""
    sources: Sources = field(default_factory=Sources)
    """Where the files of scenes can be fetched from."""

    @classmethod
    def of(cls, request: Request) -> Self:
        """Links to where a request of the mounted app came to."""
        told = service_of(request).settings
        return cls(str(request.base_url).rstrip("/"), Sources(told.sources, told.cogs))

    @property
    def root(self) -> str:
        """The landing page."""
        return f"{self.service}{PREFIX}/"

    def at(self, *parts: str) -> str:
        """The address of what lies under the landing page."""
        return self.root + "/".join(quote(part, safe="") for part in parts)

    def thumbnail(self, entry: str) -> str:
        """Where the picture of an entry is."""
        return f"{self.service}/entries/{entry}/thumbnail"

    def landing(self, collections: Sequence[str]) -> list[Link]:
        """Links of the landing page; of many collections to none, as some would look like all."""
        children = collections if len(collections) <= MOST_CHILDREN else ()
        search = _link("search", self.at("search"), GEOJSON, "Search for items")
        return [
            _link("self", self.root, title="This document"),
            _link("root", self.root, title="This document"),
            _link("conformance", self.at("conformance"), title="What this conforms to"),
            _link("data", self.at("collections"), title="Collections"),
            {**search, "method": "GET"},
            {**search, "method": "POST"},
            *self._names(),
            _link("service-desc", self.at("api"), OPENAPI, "OpenAPI document"),
            *(_link("child", self.at("collections", name), title=name) for name in children),
        ]

    def collections(self, url: str) -> list[Link]:
        """Links of a page of collections at an address, but for that of how to go on."""
        return [_link("self", url, title="Collections"), *self._above()]

    def collection(self, name: str) -> list[Link]:
        """Links of a collection."""
        here = ("collections", name)
        return [
            _link("self", self.at(*here), title=name),
            *self._above(),
            _link("items", self.at(*here, "items"), GEOJSON, f"Items of {name}"),
            *self._names(*here),
        ]

    def item(self, collection: str, id: str) -> list[Link]:
        """Links of an item."""
        above = self.at("collections", collection)
        return [
            _link("self", self.at("collections", collection, "items", id), GEOJSON),
            _link("root", self.root),
            _link("parent", above),
            _link("collection", above),
        ]

    def page(self, url: str) -> list[Link]:
        """Links of a page of items at an address, but for that of how to go on."""
        return [_link("self", url, GEOJSON), _link("root", self.root)]

    def next_get(self, url: str, asked: Iterable[tuple[str, str]], token: str, type: str) -> Link:
        """The page after one that was asked for by GET, with the rest of what was asked."""
        query = [(name, value) for name, value in asked if name != "token"]
        href = f"{url}?{urlencode([*query, ('token', token)])}"
        return {**_link("next", href, type), "method": "GET"}

    def next_post(self, url: str, body: dict[str, Any], token: str) -> Link:
        """The page after one that was asked for by POST with that body."""
        body = {**body, "token": token}
        return {**_link("next", url, GEOJSON), "method": "POST", "body": body}

    def _above(self) -> list[Link]:
        title = "The archive"
        return [_link("root", self.root, title=title), _link("parent", self.root, title=title)]

    def _names(self, *here: str) -> list[Link]:
        """What filters and orders can name."""
        return [
            _link(_QUERYABLES, self.at(*here, "queryables"), SCHEMA, "What filters can name"),
            _link(_SORTABLES, self.at(*here, "sortables"), SCHEMA, "What orders can name"),
        ]


_QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
_SORTABLES = "http://www.opengis.net/def/rel/ogc/1.0/sortables"


def _link(rel: str, href: str, type: str = JSON, title: str = "") -> Link:
    return {"rel": rel, "type": type, "href": href, **({"title": title} if title else {})}
