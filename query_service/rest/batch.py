"""Several searches in one request."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from query_service.deadline import check_time, due
from query_service.problem import Problem, problem_of
from query_service.rest.asked import SearchBody
from query_service.rest.found import find
from query_service.rest.representations import spelt
from query_service.rest.told import AnswerTold, Json, answer_json
from query_service.service import Service
from sgpd.errors import SceneSiftError


class Answered(BaseModel):
    """The answer to one search, or the problem that it is."""

    answer: AnswerTold | None = None
    problem: Problem | None = None


class BatchTold(BaseModel):
    """Answers in the order of the searches."""

    answers: list[Answered] = Field(description="One a search.")


SHARE = 0.9
"""Of the time that a request has, so that what is answered by then still reaches who asked."""


def answer_all(
    service: Service, searches: Sequence[SearchBody], path: str, deadline: float
) -> bytes:
    """The answers to all, one after another, as long as there is time."""
    told: list[Json] = []
    with due(deadline):
        for asked in searches:
            try:
                check_time()
                told.append({"answer": answer_json(find(service, asked))})
            except SceneSiftError as error:
                told.append({"problem": problem_of(error, path).model_dump(exclude_none=True)})
    return spelt({"answers": told})
