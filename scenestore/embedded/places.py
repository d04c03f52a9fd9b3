"""Where entries lie: an R*Tree of boxes for each kind, then the footprints on a box's border.

The tree alone answers for what lies within the box; its corners are float32, rounded outwards.
Documents, which are long, are read for the others only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray

from scenestore.entry import Kind, Metadata
from scenestore.filters import Box
from scenestore.footprint import Footprint, meeting

_NEAR = "west <= ? AND east >= ? AND south <= ? AND north >= ?"
_WITHIN = "west >= ? AND east <= ? AND south >= ? AND north <= ?"
_PAGE = 500
_FOOTPRINTS = 4_096
"""Footprints whose columns are kept: chips of a scene share one."""


def columns(known: Metadata) -> tuple[object, ...]:
    """West, south, east, north, and the shape as WKB where it is not all of that box."""
    return _columns(json.dumps(known.footprint)) if known.footprint else (None,) * 5


@lru_cache(_FOOTPRINTS)
def _columns(text: str) -> tuple[object, ...]:
    footprint = Footprint.of(json.loads(text))
    if footprint is None:
        return (None,) * 5
    return (*footprint.box, None if footprint.is_box else shapely.to_wkb(footprint.shape))


def near(kind: Kind, bbox: Box) -> tuple[str, list[float]]:
    """The condition that an entry's box may meet ours, and its values."""
    parts = bbox.parts()
    found = " UNION ALL ".join([f"SELECT key FROM places_{kind} WHERE {_NEAR}"] * len(parts))
    return f"key IN ({found})", [corner for box in parts for corner in _overlap(box)]


def located(db: sqlite3.Connection, kind: Kind, bbox: Box) -> NDArray[np.int64]:
    """Keys of the live entries whose footprint meets the box, ascending."""
    return np.unique(np.concatenate([_meeting(db, kind, box) for box in bbox.parts()]))


def _meeting(db: sqlite3.Connection, kind: Kind, box: Box) -> NDArray[np.int64]:
    within = box.west, box.east, box.south, box.north
    rows = db.execute(
        f"SELECT key, {_WITHIN} FROM places_{kind} WHERE {_NEAR}", (*within, *_overlap(box))
    ).fetchall()
    keys, inside = np.array(rows, np.int64).reshape(-1, 2).T
    return np.concatenate([keys[inside == 1], _on_border(db, keys[inside == 0].tolist(), box)])


def _on_border(db: sqlite3.Connection, keys: Sequence[int], box: Box) -> NDArray[np.int64]:
    """Those of the keys whose exact box or, where it has one, shape meets ours."""
    rows: list[tuple[int, bytes | None]] = []
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        marks = ",".join("?" * len(page))
        rows += db.execute(
            f"SELECT key, shape FROM documents WHERE key IN ({marks}) AND {_NEAR}",
            (*page, *_overlap(box)),
        )
    shapes = list({shape for _, shape in rows if shape is not None})
    met = meeting(shapely.from_wkb(np.array(shapes, object)), box)
    known: dict[bytes | None, bool] = {None: True, **dict(zip(shapes, met.tolist(), strict=True))}
    return np.array([key for key, shape in rows if known[shape]], np.int64)


def _overlap(box: Box) -> tuple[float, ...]:
    return box.east, box.west, box.north, box.south
