"""`/search`: find chips or captions."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from query_service.problem import responses
from query_service.request import SearchRequest
from query_service.service import ServiceOf

router = APIRouter(tags=["search"])


class SearchBody(BaseModel):
    """What to search for."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="What to look for, in words.", examples=["a harbour with ships"])
    k: int = Field(10, ge=1, le=1000, description="How many hits.")


@router.post("/search", responses=responses(400))
async def search(body: SearchBody, service: ServiceOf) -> dict[str, Any]:
    """Find entries by a text."""

    def work() -> dict[str, Any]:
        with service.archive.held() as held:
            answer = held.searcher.search(SearchRequest(text=body.text, k=body.k))
        return {
            "hits": [{"id": hit.entry.identity.id, "score": hit.score} for hit in answer.hits],
            "generation": answer.generation,
        }

    return await service.work.run(work)
