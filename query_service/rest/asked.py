"""What clients send, as FastAPI reads it and documents it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator
from pydantic_core import PydanticCustomError

from query_service.request import GroupBy, Strategy
from scenestore.aggregation import By
from scenestore.conditions import box
from scenestore.cql.form import read_json
from scenestore.entry import Kind
from scenestore.listing import Unit
from scenestore.tiles import DEEPEST

LARGEST_K = 1_000
LARGEST_BATCH_K = 5_000
"""Hits that the searches of a batch ask for together. All are in memory at once, and with `explain`
each takes some 3 kB beside its metadata (measured). A service may have a batch in every thread."""
_MOST_IDS = 32
_LONGEST_ID = 200

Id = Annotated[str, Field(min_length=1, max_length=_LONGEST_ID)]
Cloud = Annotated[float, Field(ge=0, le=100)]

_TEXT = 'What to look for, in words. `-ship`, or `-"large ship"`, keeps away from that.'
_LIKE = "Ids of entries to be like; their scenes are left out of the hits."
_UNLIKE = "Ids of entries to keep away from; their scenes are left out of the hits."
_IMAGE = (
    "An image to look for: the content of a file as base64, bare or in a data URI. Never an "
    "address. By multipart/form-data it is a file."
)
_DATETIME = (
    "When it was taken: an instant, a day, month or year, or START/END, both included; `..` for an "
    "open end."
)
_BBOX = "West, south, east, north in degrees: a box that the footprint meets; across longitude 180 "
_BBOX += "where west is above east."
_INTERSECTS = "A GeoJSON geometry, feature or collection that the footprint meets."
_FILTER = "CQL2, as text or JSON, on any property."
_TOKEN = "Where the next page goes on, as the page before said. The text or image may be left out."
_GROUP = "Give the best hit alone of every scene, or of every place (tile of some 300 km)."
_BY = (
    "Calendar year, month or day (UTC), collection, word (`term`), or Web Mercator tile of the "
    "centre (`tile`)."
)
_BEST = (
    "With a text or examples, so many of the best hits are counted, since no search has an end. "
    "Without them all that passes the conditions is, and this means nothing."
)
_RECALL = "Share of a whole scan's hits to find on average, such as 0.95; or exact."


class _Conditions(BaseModel):
    """What is said alike wherever something is looked for."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind = Field(default="chip", description="What to find.")
    datetime: str | None = Field(
        default=None, max_length=100, description=_DATETIME, examples=["2024-05-01/2024-08-31"]
    )
    min_cloud: Cloud | None = Field(default=None, description="At least so many percent of clouds.")
    max_cloud: Cloud | None = Field(default=None, description="At most so many percent of clouds.")
    min_score: FiniteFloat | None = Field(default=None, description="Leave out hits below it.")
    recall: str = Field(default="0.99", max_length=20, description=_RECALL)
    strategy: Strategy = Field(
        default="auto", description="Open a few cells, all, or whichever is cheaper."
    )
    partial: bool = Field(
        default=False, description="Where shards of the engine fail, answer without them."
    )


class _Manner(_Conditions):
    """What searches by GET and by POST say alike."""

    k: int = Field(default=10, ge=1, le=LARGEST_K, description="How many hits, or groups, a page.")
    group_by: GroupBy | None = Field(default=None, description=_GROUP)
    explain: bool = Field(default=False, description="Say why each hit matched, and every step.")
    token: str | None = Field(default=None, max_length=65_536, description=_TOKEN)


class SearchBody(_Manner):
    """A search: at least a text, an image or an entry to be like, in any mixture."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"text": "a harbour with many boats -ship", "k": 5},
                {
                    "text": "dense forest",
                    "bbox": [5, 45, 11, 48],
                    "datetime": "2024-05-01/..",
                    "max_cloud": 20,
                    "filter": "platform = 'sentinel-2a' AND gsd <= 10",
                    "group_by": "scene",
                },
            ]
        }
    )

    text: str | None = Field(default=None, description=_TEXT)
    image: str | None = Field(default=None, description=_IMAGE)
    like: list[Id] = Field(default=[], max_length=_MOST_IDS, description=_LIKE)
    unlike: list[Id] = Field(default=[], max_length=_MOST_IDS, description=_UNLIKE)
    collections: list[str] = Field(
        default=[], max_length=1_000, description="Names of collections to search; all without."
    )
    bbox: Annotated[list[FiniteFloat], Field(min_length=4, max_length=6)] | None = Field(
        default=None, description=_BBOX
    )
    intersects: dict[str, Any] | None = Field(default=None, description=_INTERSECTS)
    filter: str | dict[str, Any] | None = Field(default=None, description=_FILTER)


class Spelt(BaseModel):
    """Words, examples and conditions as a URL spells them: lists have commas between."""

    text: str | None = Field(
        default=None, description=_TEXT, examples=["a harbour with boats -ship"]
    )
    like: str | None = Field(default=None, description=_LIKE)
    unlike: str | None = Field(default=None, description=_UNLIKE)
    collections: str | None = Field(default=None, description="Names of collections to search.")
    bbox: str | None = Field(default=None, description=_BBOX, examples=["5,45,11,48"])
    intersects: str | None = Field(default=None, description=_INTERSECTS)
    filter: str | None = Field(
        default=None, description=_FILTER, examples=["cloud_cover < 10 AND platform = 'landsat-8'"]
    )

    def body(self) -> SearchBody:
        """It as POST has it; FilterError, or pydantic's ValidationError, where it cannot be."""
        sent = self.model_dump(exclude_unset=True, exclude_none=True)
        sent = {name: value for name, value in sent.items() if name in SearchBody.model_fields}
        for name in ("like", "unlike", "collections"):
            if name in sent:
                sent[name] = [part.strip() for part in sent[name].split(",") if part.strip()]
        if "bbox" in sent:
            sent["bbox"] = box(sent["bbox"])
        if "intersects" in sent:
            sent["intersects"] = read_json(sent["intersects"], "intersects")
        return SearchBody.model_validate(sent)


class SearchParameters(Spelt, _Manner):
    """The same search by GET, or as fields of a form."""

    image: str | None = Field(default=None, description=_IMAGE)


class AggregateParameters(Spelt, _Conditions):
    """What to count, and by what."""

    by: By = Field(description=_BY, examples=["month"])
    unit: Unit = Field(default="scene", description="Whether scenes or their entries are counted.")
    zoom: int = Field(default=3, ge=0, le=DEEPEST, description="Of tiles: 4^zoom cover the Earth.")
    most: int = Field(default=100, ge=1, le=LARGEST_K, description="Groups to tell of.")
    best: int = Field(default=100, ge=1, le=LARGEST_K, description=_BEST)


def form_schema() -> dict[str, Any]:
    """The parameters as fields of a form, the image as a file."""
    schema = SearchParameters.model_json_schema()
    schema["properties"]["image"] = {"type": "string", "format": "binary"}
    schema["title"] = "SearchForm"
    return schema


class BatchBody(BaseModel):
    """Several searches at once; each is answered, or refused, on its own."""

    model_config = ConfigDict(extra="forbid")

    searches: list[SearchBody] = Field(
        min_length=1,
        max_length=32,
        description=f"Their `k` together: at most {LARGEST_BATCH_K:,}.",
        examples=[[{"text": "a river"}, {"text": "a runway", "k": 3}]],
    )

    @field_validator("searches")
    @classmethod
    def _within_memory(cls, searches: list[SearchBody]) -> list[SearchBody]:
        hits = sum(search.k for search in searches)
        if hits > LARGEST_BATCH_K:
            raise PydanticCustomError(
                "batch_too_large",
                f"the searches ask for {hits:,} hits together (k), more than {LARGEST_BATCH_K:,}; "
                "ask for fewer, or send several batches",
            )
        return searches
