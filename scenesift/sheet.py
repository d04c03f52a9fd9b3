"""The contact sheet: a search's hits as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.images import read_image, thumbnail
from query_service.answer import Answer
from scenesift.errors import SheetError
from scenesift.results import Result, percent, strongest_words, summary

if TYPE_CHECKING:
    from jinja2 import Template


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
    caption: str | None
    picture: str | None
    terms: Sequence[tuple[str, float]]


def write_sheet(
    file: Path,
    query: Query,
    answer: Answer,
    results: Sequence[Result],
) -> None:
    """Write the sheet; SheetError when the file cannot be written."""
    from markupsafe import Markup

    style = _resource("sheet.css")
    cards = [
        _Card(
            result.id,
            result.hit.entry.identity.scene,
            result.hit.score,
            percent(result.hit.percentile),
            result.caption,
            _data_uri(result.thumbnail),
            strongest_words(result.hit.terms),
        )
        for result in results
    ]
    page = _template().render(
        style=Markup(style),  # our own file: escaped, it would not have the hash
        style_hash=_content_hash(style),
        query={"asked": query.asked, "title": query.title, "picture": _data_uri(query.picture)},
        summary=summary(answer),
        cards=cards,
        footer="SceneSift: scores are cosines; the percentage is the share of random entries of "
        "the archive that score lower.",
    )
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise SheetError(f"{file}: cannot be written: {error.strerror}") from error


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _resource("sheet.html")
    )


def _resource(name: str) -> str:
    return resources.files("scenesift").joinpath("templates", name).read_text(encoding="utf-8")


def _data_uri(jpeg: bytes | None) -> str | None:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() if jpeg else None


def _content_hash(style: str) -> str:
    """The hash by which a content security policy knows this style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
