"""Where entries lie: an R*Tree of boxes for each kind, then the footprints on a box's border.

The tree alone answers for what lies within the box; its corners are float32, rounded outwards.
Documents, which are long, are read for the others only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from scenestore import areas
from scenestore.embedded.pages import rows_among
from scenestore.entry import Kind, Metadata
from scenestore.filters import Box
from scenestore.footprint import Footprint, boxed, meeting

_NEAR = "west <= ? AND east >= ? AND south <= ? AND north >= ?"
_WITHIN = "west >= ? AND east <= ? AND south >= ? AND north <= ?"
_FOOTPRINTS = 4_096
"""Footprints whose columns are kept: chips of a scene share one."""
_NOWHERE = (None,) * 7


def columns(known: Metadata) -> tuple[object, ...]:
    """West, south, east, north, the shape as WKB where it is not all of that box, the centre."""
    return _columns(json.dumps(known.footprint)) if known.footprint else _NOWHERE


@lru_cache(_FOOTPRINTS)
def _columns(text: str) -> tuple[object, ...]:
    footprint = Footprint.of(json.loads(text))
    if footprint is None:
        return _NOWHERE
    shape = None if footprint.is_box else shapely.to_wkb(footprint.shape)
    return (*footprint.box, shape, *footprint.centre)


def near(kind: Kind, boxes: Sequence[Box]) -> tuple[str, list[float]]:
    """The condition that an entry's box may meet all of ours, and its values."""
    conditions, values = ["1"], list[float]()
    for bbox in boxes:
        selects, corners = zip(*(_near(kind, box) for box in bbox.parts()), strict=True)
        conditions.append(f"key IN ({' UNION ALL '.join(selects)})")
        values += chain(*corners)
    return " AND ".join(conditions), values


def _near(kind: Kind, box: Box) -> tuple[str, tuple[float, ...]]:
    return f"SELECT key FROM places_{kind} WHERE {_NEAR}", _overlap(box)


def located(db: sqlite3.Connection, kind: Kind, place: Box | str) -> NDArray[np.int64]:
    """Keys of the live entries whose footprint meets the box or the area, ascending."""
    if isinstance(place, str):
        return _meeting_area(db, kind, areas.area(place))
    return np.unique(np.concatenate([_meeting(db, kind, box) for box in place.parts()]))


def _meeting_area(
    db: sqlite3.Connection, kind: Kind, parts: Sequence[shapely.Geometry]
) -> NDArray[np.int64]:
    """The tree alone answers for boxes within a part; the others it has near are compared."""
    near: set[int] = set()
    inside: set[int] = set()
    for part in parts:
        rows = db.execute(
            f"SELECT key, west, south, east, north FROM places_{kind} WHERE {_NEAR}",
            _overlap(Box(*part.bounds)),
        ).fetchall()
        near.update(key for key, *_ in rows)
        if part.geom_type == "Polygon" and rows:
            keys, *corners = np.array(rows, object).T
            held = shapely.contains(part, shapely.box(*(side.astype(float) for side in corners)))
            inside.update(keys[held].tolist())
    compared = _compared(db, sorted(near - inside), parts)
    return np.sort(np.array([*inside, *compared], np.int64))


def _compared(
    db: sqlite3.Connection, keys: Sequence[int], parts: Sequence[shapely.Geometry]
) -> Iterator[int]:
    """Those of the keys whose footprint itself meets a part."""
    found = [
        (key, (shape, *corners))
        for key, shape, *corners in _by_key(db, keys, "shape, west, south, east, north")
    ]
    distinct = list({where for _, where in found})
    shapes = [
        boxed(Box(*corners)) if shape is None else shapely.from_wkb(shape)
        for shape, *corners in distinct
    ]
    met = dict(zip(distinct, meeting(np.array(shapes, object), parts).tolist(), strict=True))
    return (key for key, where in found if met[where])


def _meeting(db: sqlite3.Connection, kind: Kind, box: Box) -> NDArray[np.int64]:
    within = box.west, box.east, box.south, box.north
    rows = db.execute(
        f"SELECT key, {_WITHIN} FROM places_{kind} WHERE {_NEAR}", (*within, *_overlap(box))
    ).fetchall()
    keys, inside = np.array(rows, np.int64).reshape(-1, 2).T
    return np.concatenate([keys[inside == 1], _on_border(db, keys[inside == 0].tolist(), box)])


def _on_border(db: sqlite3.Connection, keys: Sequence[int], box: Box) -> NDArray[np.int64]:
    """Those of the keys whose exact box or, where it has one, shape meets ours."""
    rows = _by_key(db, keys, "shape", _NEAR, _overlap(box))
    shapes = list({shape for _, shape in rows if shape is not None})
    met = meeting(shapely.from_wkb(np.array(shapes, object)), [boxed(box)])
    known: dict[bytes | None, bool] = {None: True, **dict(zip(shapes, met.tolist(), strict=True))}
    return np.array([key for key, shape in rows if known[shape]], np.int64)


def _by_key(
    db: sqlite3.Connection,
    keys: Sequence[int],
    columns: str,
    condition: str = "1",
    values: Sequence[float] = (),
) -> list[Any]:
    """Key and columns of the documents of those keys that a condition holds for."""
    asked = f"SELECT key, {columns} FROM documents WHERE key IN ({{values}}) AND {condition}"
    return rows_among(db, asked, keys, values)


def _overlap(box: Box) -> tuple[float, ...]:
    return box.east, box.west, box.north, box.south
