"""The live entries that pass a filter."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from scenestore.embedded import places, selection, sql
from scenestore.embedded.database import Database
from scenestore.embedded.live import LiveTables
from scenestore.entry import Kind
from scenestore.expression import Meets
from scenestore.filters import Box, Filter
from scenestore.segments import LiveSegments
from scenestore.shared import Shared

Value = TypeVar("Value")

_FILTERS = 16
"""Filters whose keys are kept: 1.6 MB each at most for 200,000 entries."""


class Passing:
    """Keys of entries, ascending, and where in the segments they lie."""

    def __init__(self, keys: NDArray[np.int64]) -> None:
        self.keys = keys
        self._places: tuple[LiveSegments, NDArray[np.bool_]] | None = None

    def mask(self, segments: LiveSegments) -> NDArray[np.bool_]:
        """Which places of the segments hold one of them."""
        known = self._places
        if known is None or known[0] is not segments:
            places = segments.locate(self.keys)
            held = np.zeros(len(segments), np.bool_)
            held[places[places >= 0]] = True
            self._places = known = segments, held
        return known[1]

    def counts(self, segments: LiveSegments) -> NDArray[np.int64]:
        """How many of them lie in each cell, [C]."""
        places = np.flatnonzero(self.mask(segments))
        return np.bincount(segments.cells_at(places), minlength=len(segments.counts))

    def among(self, keys: Sequence[int]) -> list[int]:
        """Those of the keys that are among them, in the order given."""
        asked = np.fromiter(keys, np.int64, len(keys))
        return [int(key) for key in asked[self.holds(asked)]]

    def holds(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the keys are among them, same shape."""
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(self.keys[places] == keys)


class _Remembered(Generic[Value]):
    """What was found for each kind and filter, until something is written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._state: object = None
        self._kept: OrderedDict[tuple[Kind, Filter], Shared[Value]] = OrderedDict()

    def of(self, kind: Kind, where: Filter, find: Callable[[], Value]) -> Value:
        """What `find` gives, as of now: found by one thread, while those wait that ask the same."""
        state = self._database.state()
        with self._lock:
            if state != self._state:
                self._state = state
                self._kept.clear()
            found = self._kept.setdefault((kind, where), Shared(find, math.inf))
            self._kept.move_to_end((kind, where))
            if len(self._kept) > _FILTERS:
                self._kept.popitem(last=False)
        return found.current()


class PassingEntries:
    """What passes each filter, found once in SQL and kept until something is written."""

    def __init__(self, tables: LiveTables) -> None:
        self._tables = tables
        self._passing = _Remembered[Passing](tables.database)
        self._scenes = _Remembered[int](tables.database)

    def but_scenes(self, kind: Kind, where: Filter) -> Passing:
        """The live entries that pass all conditions but `without_scenes`, as of now.

        Every `--like` leaves out another scene: the entries of a few scenes are soon found.
        """
        kept = replace(where, without_scenes=())

        def find() -> Passing:
            with self._tables.reading() as db:
                return Passing(_keys_passing(db, kind, kept))

        return self._passing.of(kind, kept, find)

    def scenes(self, kind: Kind, where: Filter) -> int:
        """How many scenes have live entries that pass all conditions."""

        def find() -> int:
            with self._tables.reading() as db:
                return selection.count(db, kind, where, "scene")

        return self._scenes.of(kind, where, find)

    def keys(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """Keys of the live entries that pass all conditions, ascending."""
        keys = self.but_scenes(kind, where).keys
        if not where.without_scenes:
            return keys
        return np.setdiff1d(keys, self.left_out(kind, where), assume_unique=True)

    def left_out(self, kind: Kind, where: Filter) -> NDArray[np.int64]:
        """Keys of the live entries of `without_scenes`."""
        with self._tables.reading() as db:
            return _keys(db, kind, *sql.any_scene(where.without_scenes))


def _keys_passing(db: sqlite3.Connection, kind: Kind, where: Filter) -> NDArray[np.int64]:
    """Keys of the live entries that pass all conditions but `without_scenes`, ascending."""
    met = [each.place for each in where.conditions() if isinstance(each, Meets)]
    located = [places.located(db, kind, place) for place in met]
    condition, values = sql.where_clause(
        where, lambda place: places.located(db, kind, place).tolist()
    )
    if condition != "1" or not located:
        near, corners = places.near(kind, [place for place in met if isinstance(place, Box)])
        located.append(_keys(db, kind, f"{near} AND {condition}", (*corners, *values)))
    return reduce(partial(np.intersect1d, assume_unique=True), located)


def _keys(
    db: sqlite3.Connection, kind: Kind, condition: str, values: Sequence[object]
) -> NDArray[np.int64]:
    """Keys of the live entries that a condition holds for, ascending."""
    rows = db.execute(
        f"SELECT key FROM documents WHERE kind = ? AND {condition}", (kind, *values)
    ).fetchall()
    return np.sort(np.fromiter((key for (key,) in rows), np.int64, len(rows)))
