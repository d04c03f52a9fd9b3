"""`/aggregate`: how many scenes, or entries, there are by time, collection, word or map tile."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from query_service.problem import responses
from query_service.request import RequestError
from query_service.rest.asked import AggregateParameters, SearchBody
from query_service.rest.found import check_collections, find, where_of
from query_service.rest.received import body_of, each_once
from query_service.rest.representations import JSON, spelt
from query_service.rest.told import Json
from query_service.service import Service, ServiceOf
from scenestore.aggregation import By, Counts, Group, Grouping, of_entries
from scenestore.entry import Kind
from scenestore.listing import Unit
from scenestore.tiles import tile_box

router = APIRouter(tags=["aggregate"])


class GroupTold(BaseModel):
    """How many are of one value."""

    value: str = Field(description="2024, 2024-05, 2024-05-31, a name, a word or z/x/y.")
    count: int
    bbox: list[float] | None = Field(
        default=None, description="Of a tile: west, south, east, north in degrees."
    )


class CountsTold(BaseModel):
    """The largest groups, and what they leave out. Nothing is estimated."""

    by: By
    unit: Unit
    kind: Kind
    groups: list[GroupTold] = Field(
        description="The largest first; those of time in their own order.",
        examples=[[{"value": "2024-05", "count": 312}, {"value": "2024-06", "count": 87}]],
    )
    total: int = Field(description="All that were counted, of whatever group.")
    unknown: int = Field(description="Those of no group: without a time, a word, a place.")
    distinct: int = Field(description="Groups that there are, those left out too.")
    others: int = Field(
        description="Members of the groups left out; what has several words is in several."
    )
    best: int | None = Field(
        description="How many of the best hits were counted at most; null where all that passes "
        "the conditions was."
    )
    generation: str


@router.get(
    "/aggregate",
    responses={200: {"model": CountsTold}, **responses(400)},
    response_class=Response,
    dependencies=[Depends(each_once)],
)
async def aggregate(asked: Annotated[AggregateParameters, Query()], service: ServiceOf) -> Response:
    """Count what passes the conditions or, with a text or examples, the best hits among it."""
    body = body_of(asked)
    counted = await service.work.run(lambda: spelt(_counted(service, asked, body)))
    return Response(counted, media_type=JSON)


def _counted(service: Service, asked: AggregateParameters, body: SearchBody) -> Json:
    grouping = Grouping(asked.by, asked.most, asked.zoom)
    is_search = bool(body.text is not None or body.like or body.unlike)
    if is_search:
        by_scene = "scene" if asked.unit == "scene" else None
        found = find(service, body.model_copy(update={"k": asked.best, "group_by": by_scene}))
        counts = of_entries((shown.hit.entry for shown in found.hits), grouping)
        generation = found.answer.generation
    else:
        if body.min_score is not None:
            raise RequestError("min_score: there is nothing to look for; give a text or examples")
        where = where_of(body)
        with service.archive.held() as held:
            check_collections(service, body.collections)
            documents = held.generation.documents
            counts = documents.aggregate(body.kind, where, grouping, asked.unit)
            generation = held.name
    return {
        "by": asked.by,
        "unit": asked.unit,
        "kind": body.kind,
        **_told(counts, asked.by),
        "best": asked.best if is_search else None,
        "generation": generation,
    }


def _told(counts: Counts, by: By) -> Json:
    return {
        "groups": [_group(group, by) for group in counts.groups],
        "total": counts.total,
        "unknown": counts.unknown,
        "distinct": counts.distinct,
        "others": counts.others,
    }


def _group(group: Group, by: By) -> Json:
    told: Json = {"value": group.value, "count": group.count}
    return {**told, "bbox": list(tile_box(group.value))} if by == "tile" else told
