"""CQL2 as STAC clients write it: an item's `id` stands for the scene that it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from query_service.stac.ids import scene_of
from scenestore import cql
from scenestore.cql.form import form
from scenestore.errors import FilterError
from scenestore.expression import Expression

_BY_ID = {"=", "<>", "in"}
_NO_SCENE = ""
"""No scene has this name; it stands for an id that no item has."""


def read(given: str | Mapping[str, Any]) -> Expression:
    """The expression that CQL2 text, JSON text or JSON means; FilterError says what is wrong."""
    node = form(given)
    return cql.read(_with_scenes(node) if isinstance(node, dict) else given)


def _with_scenes(node: Any) -> Any:
    """The node with conditions on `id` put as conditions on `scene`."""
    match node:
        case {"op": str(op), "args": [*args]} if any(arg == {"property": "id"} for arg in args):
            if op.lower() not in _BY_ID:
                raise FilterError("filter: an id is compared with =, <> and IN; use scene LIKE ...")
            return {**node, "args": [_scene(arg) for arg in args]}
        case {"op": str(), "args": [*args]}:
            return {**node, "args": [_with_scenes(arg) for arg in args]}
        case _:
            return node


def _scene(arg: Any) -> Any:
    match arg:
        case {"property": "id"}:
            return {"property": "scene"}
        case str(id):
            return _named(id)
        case [*ids]:
            return [_named(id) if isinstance(id, str) else id for id in ids]
        case _:
            return arg


def _named(id: str) -> str:
    return scene_of(id) or _NO_SCENE
