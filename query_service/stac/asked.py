"""What clients send, as FastAPI reads it: loosely, since what it means is checked by us.

No postponed annotations here: FastAPI reads those of these classes as they are.
"""

from typing import Annotated, Any

import attr
from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from stac_fastapi.types.search import APIRequest

DEFAULT_LIMIT = 10
LARGEST_LIMIT = 1_000
"""Items, or collections, a page; who asks for more gets so many."""
COLLECTIONS_LIMIT = LARGEST_LIMIT
"""Collections a page where no number is given: QGIS reads the first page and no other."""

_HELP = {
    "bbox": "West, south, east, north in degrees; west above east crosses longitude 180.",
    "datetime": "An instant, a day, month or year, or a range such as 2024-05-01/.. .",
    "q": "What the images show, in words, such as `boats in a harbour`. Most alike come first.",
    "filter": "CQL2; /queryables says what can be named.",
    "filter-lang": "cql2-text or cql2-json.",
    "filter-crs": "Only CRS84, longitude before latitude.",
    "fields": "Members of items, such as id,properties.datetime,-assets.",
    "sortby": "Orders, such as -datetime,+id; /sortables has their names.",
    "token": "Where a page goes on, as its link said.",
    "collections": "Names of collections of which one is the item's.",
    "ids": "Ids of which one is the item's.",
    "intersects": "A GeoJSON geometry that the footprint meets.",
    "limit": f"Items a page, {LARGEST_LIMIT:,} at most.",
}


def _text(name: str, example: str | None = None) -> Any:
    examples = [example] if example else None
    return Query(alias=name, description=_HELP[name], examples=examples)


@attr.s
class PageParameters(APIRequest):
    """What can be asked of the items of one collection by GET, and of a search too."""

    bbox: Annotated[str | None, _text("bbox", "8,47,9,48")] = attr.ib(default=None)
    datetime: Annotated[str | None, _text("datetime", "2024-05-01/2024-05-31")] = attr.ib(
        default=None
    )
    limit: Annotated[int, _text("limit")] = attr.ib(default=DEFAULT_LIMIT)
    q: Annotated[str | None, _text("q", "boats in a harbour")] = attr.ib(default=None)
    filter: Annotated[str | None, _text("filter", "eo:cloud_cover < 10")] = attr.ib(default=None)
    filter_lang: Annotated[str | None, _text("filter-lang")] = attr.ib(default=None)
    filter_crs: Annotated[str | None, _text("filter-crs")] = attr.ib(default=None)
    fields: Annotated[str | None, _text("fields")] = attr.ib(default=None)
    sortby: Annotated[str | None, _text("sortby", "-datetime")] = attr.ib(default=None)
    token: Annotated[str | None, _text("token")] = attr.ib(default=None)


@attr.s
class SearchParameters(PageParameters):
    """What can be asked of a search by GET."""

    collections: Annotated[str | None, _text("collections")] = attr.ib(default=None)
    ids: Annotated[str | None, _text("ids")] = attr.ib(default=None)
    intersects: Annotated[str | None, _text("intersects")] = attr.ib(default=None)


@attr.s
class CollectionsParameters(APIRequest):
    """What can be asked of the collections."""

    bbox: Annotated[str | None, _text("bbox", "8,47,9,48")] = attr.ib(default=None)
    datetime: Annotated[str | None, _text("datetime", "2024-05-01/2024-05-31")] = attr.ib(
        default=None
    )
    limit: Annotated[int, Query(description=f"Collections a page, {LARGEST_LIMIT:,} at most.")] = (
        attr.ib(default=COLLECTIONS_LIMIT)
    )
    token: Annotated[str | None, _text("token")] = attr.ib(default=None)


@attr.s
class ItemsParameters(PageParameters):
    """The same, of the items of one collection."""

    collection_id: Annotated[str, Path(description="Name of the collection.")] = attr.ib(
        kw_only=True
    )


class SortBody(BaseModel):
    """One order of several."""

    field: str
    direction: str = "asc"


class FieldsBody(BaseModel):
    """Members of items, in dotted form."""

    include: list[str] | None = None
    exclude: list[str] | None = None


def _member(name: str, **more: Any) -> Any:
    return Field(None, alias=name, description=_HELP[name], **more)


class SearchBody(BaseModel):
    """What can be asked of a search by POST."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"q": "boats in a harbour", "bbox": [8, 47, 9, 48]}]}
    )

    collections: list[str] | None = _member("collections")
    ids: list[str] | None = _member("ids")
    bbox: list[float] | None = _member("bbox")
    intersects: dict[str, Any] | None = _member("intersects")
    datetime: str | None = _member("datetime")
    limit: int | None = _member("limit")
    q: str | list[str] | None = _member("q")
    filter: dict[str, Any] | str | None = _member("filter")
    filter_lang: str | None = _member("filter-lang")
    filter_crs: str | None = _member("filter-crs")
    fields: FieldsBody | None = _member("fields")
    sortby: list[SortBody] | None = _member("sortby")
    token: str | None = _member("token")

    @property
    def sent(self) -> dict[str, Any]:
        """It as JSON, as it was sent."""
        return self.model_dump(by_alias=True, exclude_unset=True)
