"""HTML pages in one file each, which ask nothing of any host and run nothing."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenesift.errors import SheetError

if TYPE_CHECKING:
    from jinja2 import Environment


def write_page(file: Path, template: str, **values: Any) -> None:
    """Write what a template makes of the values; SheetError when the file cannot be written."""
    from markupsafe import Markup

    environment = _environment()
    style = environment.get_template("page.css").render()
    page = environment.get_template(template).render(
        style=Markup(style),  # our own file: escaped, it would not have the hash
        style_hash=_content_hash(style),
        **values,
    )
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise SheetError(f"{file}: cannot be written: {error.strerror}") from error


def data_uri(jpeg: bytes | None) -> str | None:
    """A picture as a page holds it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode() if jpeg else None


@cache
def _environment() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    ours = ChoiceLoader([PackageLoader("scenesift"), PackageLoader("query_service")])
    return Environment(loader=ours, autoescape=True, undefined=StrictUndefined)


def _content_hash(style: str) -> str:
    """The hash by which a content security policy knows this style sheet."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
