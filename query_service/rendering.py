"""Templates of the service's pages, rendered on the server."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

HTML = "text/html"
FILES = {"/page.css": "text/css", "/page.js": "text/javascript"}
"""What pages load, by its path: how they look, and how they say that an answer is on its way."""


def rendered(request: Request, template: str, status: int, **values: Any) -> Response:
    """A page as an answer; all that it shows is escaped."""
    root = request.scope.get("root_path", "").rstrip("/")
    html = _templates().get_template(template).render(root=root, **values)
    return Response(html, status, media_type=f"{HTML}; charset=utf-8")


def file(path: str) -> Response:
    """One of FILES."""
    content = _templates().get_template(path[1:]).render()
    return Response(content, media_type=FILES[path])


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("query_service"), autoescape=True, undefined=StrictUndefined
    )
