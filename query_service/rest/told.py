"""Answers as clients get them: models that document them, and what fills them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from query_service.answer import Answer
from query_service.rest.found import Found, Shown
from scenestore.entry import Entry, Kind
from scenestore.footprint import Footprint

Json = dict[str, Any]
_DIGITS = 3


class Term(BaseModel):
    """A term of a code, or one that query and entry share."""

    term: str
    word: str | None
    weight: float
    share: float = Field(description="Its part of the sum of weights, 0 to 1.")


class EntryTold(BaseModel):
    """What is known of an entry."""

    id: str
    kind: Kind
    collection: str
    scene: str
    part: list[int] | int | None = Field(
        description="A chip's window (column, row, width, height) in pixels, null where it is the "
        "whole scene; a caption's number."
    )
    source: str = Field(description="Where the scene's file lies in its collection.")
    caption: str | None
    words: list[str] = Field(description="Plain words that set it apart, best first.")
    datetime: str | None
    cloud_cover: float | None
    gsd: float | None
    platform: str | None
    footprint: Json | None = Field(description="GeoJSON geometry.")
    properties: Json
    thumbnail: str | None = Field(description="Path of its thumbnail in the service.")


class HitTold(EntryTold):
    """An entry that was found."""

    rank: int
    score: float = Field(description="Cosine of the query and the stored vector.")
    percentile: float = Field(
        description="Percent of the archive's entries that score lower, below 100; where there are "
        "more than 2,000, as a random sample of those tells it."
    )
    terms: list[Term] | None = Field(default=None, description="What matched; with `explain`.")


class Cell(BaseModel):
    """A dense cluster that was opened."""

    cell: int
    vectors: int
    guide: int
    expected: float | None
    normal: float | None
    learned: float | None


class Explained(BaseModel):
    """What finding the hits took; with `explain`."""

    terms: list[Term] = Field(description="The query's code.")
    guide: int = Field(description="Sparse hits.")
    cells: list[Cell]
    reads: Json = Field(description="What was asked of a remote store.")


class AnswerTold(BaseModel):
    """Hits, and how they were found."""

    hits: list[HitTold]
    next: str | None = Field(description="Token of the next page; null where there is none.")
    generation: str
    strategy: str
    reason: str
    recall: str
    expected_recall: float | None = Field(
        description="Null where no calibration covers the search, as for mixtures and groups."
    )
    scanned: int = Field(description="Vectors that were scored.")
    entries: int
    missing: list[str]
    milliseconds: dict[str, float]
    explained: Explained | None = None


def answer_json(found: Found) -> Json:
    """An answer as JSON."""
    return {"hits": [hit_json(shown, found.explain) for shown in found.hits], **manner_json(found)}


def manner_json(found: Found) -> Json:
    """All of an answer but its hits."""
    answer = found.answer
    told: Json = {
        "next": found.next,
        "generation": answer.generation,
        "strategy": answer.strategy,
        "reason": answer.reason,
        "recall": answer.recall,
        "expected_recall": answer.expected_recall,
        "scanned": answer.scanned,
        "entries": answer.entries,
        "missing": list(answer.missing),
        "milliseconds": {step: round(ms, _DIGITS) for step, ms in answer.milliseconds.items()},
    }
    return {**told, "explained": _explained(answer)} if found.explain else told


def hit_json(shown: Shown, explain: bool) -> Json:
    """A hit as JSON."""
    hit = shown.hit
    told = {
        "rank": shown.rank,
        "score": hit.score,
        "percentile": hit.percentile,
        **entry_json(hit.entry, shown.caption),
    }
    return {**told, "terms": [term.to_json() for term in hit.terms]} if explain else told


def entry_json(entry: Entry, caption: str | None) -> Json:
    """An entry as JSON, with a sentence about its scene."""
    who, known = entry.identity, entry.metadata
    return {
        "id": who.id,
        "kind": who.kind,
        "collection": who.collection,
        "scene": who.scene,
        "part": list(who.part) if isinstance(who.part, tuple) else who.part,
        "source": entry.source,
        "caption": caption,
        "words": list(entry.top_terms),
        "datetime": known.datetime,
        "cloud_cover": known.cloud_cover,
        "gsd": known.gsd,
        "platform": known.platform,
        "footprint": known.footprint,
        "properties": dict(known.properties),
        "thumbnail": None if entry.thumbnail is None else thumbnail_path(who.id),
    }


def thumbnail_path(id: str) -> str:
    """Where the service has the thumbnail of an entry."""
    return f"/entries/{id}/thumbnail"


def feature(shown: Shown, explain: bool) -> Json:
    """A hit as a GeoJSON feature."""
    told = hit_json(shown, explain)
    id, given = told.pop("id"), told.pop("footprint")
    return {"type": "Feature", "id": id, "geometry": geometry(given), "properties": told}


def geometry(footprint: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A footprint as GeoJSON asks for: cut where it crosses longitude 180 in one piece."""
    found = None if footprint is None else Footprint.of(footprint)
    return found.cut() if found is not None and found.bounds[2] > 180 else footprint


def features(found: Found) -> Json:
    """An answer as a GeoJSON collection; what is no feature is a member beside them."""
    hits: Sequence[Json] = [feature(shown, found.explain) for shown in found.hits]
    return {"type": "FeatureCollection", "features": hits, **manner_json(found)}


def _explained(answer: Answer) -> Json:
    return {
        "terms": [term.to_json() for term in answer.query_terms],
        "guide": answer.guide,
        "reads": answer.reads.to_json(),
        "cells": [cell.to_json() for cell in answer.cells],
    }
