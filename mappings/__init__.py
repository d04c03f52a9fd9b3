"""Mappings of the OpenSearch indices, one JSON file each; `index_body` is what reads them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Literal

Name = Literal["entries", "scenes", "ledger"]

FORMATS: dict[Name, int] = {"entries": 3, "scenes": 1, "ledger": 1}
"""Raised when documents of an older mapping can no longer be searched as they are."""
PROJECT = "scenesift"
"""The key in an index's `_meta` that says the index is ours."""


def index_body(name: Name, **facts: str) -> dict[str, Any]:
    """The body that creates an index; its `_meta` names the format and the given facts."""
    text = files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    body: dict[str, Any] = json.loads(text)
    body["mappings"]["_meta"] = {PROJECT: {"format": FORMATS[name], **facts}}
    return body
