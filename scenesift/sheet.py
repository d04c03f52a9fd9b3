"""The contact sheet of a search: its hits as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.images import read_image, thumbnail
from query_service.answer import Answer
from query_service.percentile import top_share
from scenesift.page import data_uri, write_page
from scenesift.results import Result, percent, strongest_words, summary


@dataclass(frozen=True)
class Query:
    """What was searched for, as the sheet shows it."""

    asked: str
    """How: `text search`."""
    title: str
    picture: bytes | None = None
    """JPEG of an image that was searched for."""

    @classmethod
    def of(cls, text: str | None, image: Path | None) -> Query:
        """A text, or an image that was read before."""
        if image is not None:
            return cls("image search", image.name, thumbnail(read_image(image)))
        return cls("text search", text or "")


@dataclass(frozen=True)
class _Card:
    id: str
    scene: str
    score: float
    percentile: str
    top: str
    caption: str | None
    picture: str | None
    words: Sequence[str]
    terms: Sequence[tuple[str, float]]


def write_sheet(
    file: Path,
    query: Query,
    answer: Answer,
    results: Sequence[Result],
) -> None:
    """Write the sheet; SheetError when the file cannot be written."""
    cards = [
        _Card(
            result.id,
            result.hit.entry.identity.scene,
            result.hit.score,
            percent(result.hit.percentile),
            top_share(result.hit.percentile),
            result.caption,
            data_uri(result.thumbnail),
            result.hit.entry.top_terms,
            strongest_words(result.hit.terms),
        )
        for result in results
    ]
    write_page(
        file,
        "sheet.html",
        query={"asked": query.asked, "title": query.title, "picture": data_uri(query.picture)},
        summary=summary(answer),
        cards=cards,
    )
