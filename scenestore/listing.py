"""Listings: live entries, or scenes, in the order of what is known of them, page by page.

A page begins after the position of the last one's end, not at a number: it costs the same at any
depth, and what is written meanwhile neither repeats nor hides what stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from scenestore.cql.form import is_text
from scenestore.entry import Entry, Identity, Scene, scene_of
from scenestore.errors import FilterError
from scenestore.expression import ORDERED, Subject

Unit = Literal["entry", "scene"]
"""What is listed and counted: every entry, or for each scene its first entry of the kind. All
entries of a scene share its metadata."""
Value = str | float | int | None
"""What an order compares: a text, a number, milliseconds since 1970; None where not known."""
Position = tuple[Value, ...]
"""A place in a listing: the values of its orders, then collection, scene and key. Plain JSON."""

MOST_ORDERS = 5
"""Names of one listing."""
_LONGEST = 1_000
"""Characters of a name."""


@dataclass(frozen=True, slots=True)
class Order:
    """By what, and which way; what is not known comes last either way.

    Texts are in the order of their code points. A property is ordered as one type; where it is not
    of that type it counts as not known.
    """

    subject: Subject
    descending: bool = False

    def __post_init__(self) -> None:
        if self.subject.is_property and self.subject.type not in ("number", "text"):
            raise FilterError(
                f"sort: {self.subject.name!a} is ordered as numbers or as texts, "
                f"not as {self.subject.type}"
            )
        if not self.subject.is_property and self.subject not in ORDERED.values():
            raise FilterError(f"sort: there is no order by {self.subject.name}")


@dataclass(frozen=True, slots=True)
class Listed:
    """A live entry of a listing."""

    key: int
    entry: Entry
    position: Position
    """Where it stands: the next page begins after it."""


def orders(names: Iterable[str]) -> tuple[Order, ...]:
    """The orders that names mean: `-NAME` is from the highest down, `NAME` or `+NAME` up.

    Of a property, all numbers come before all texts. FilterError says what is wrong with a name.
    """
    found: list[Order] = []
    given = list(names)
    if len(given) > MOST_ORDERS:
        raise FilterError(f"sort: {len(given)} names are more than {MOST_ORDERS}; give fewer")
    for text in given:
        descending = text.startswith("-")
        name = text[1:] if text[:1] in ("+", "-") else text
        if not name or len(name) > _LONGEST:
            raise FilterError(f"sort: {text[:60]!a} names nothing; give a field or a property")
        found += (Order(subject, descending) for subject in _subjects(name))
    return tuple(found)


def _subjects(name: str) -> tuple[Subject, ...]:
    if name in ORDERED:
        return (ORDERED[name],)
    return Subject(name, "number", is_property=True), Subject(name, "text", is_property=True)


def check(order: Sequence[Order], after: Position | None, unit: Unit) -> None:
    """Raise FilterError where there is no such listing, or no such position in it."""
    for one in order:
        if unit == "entry" and one.subject.is_property and one.subject.type == "text":
            raise FilterError(f"sort: only scenes are ordered by {one.subject.name!a}, a text")
    if after is None:
        return
    types = [*(_TYPES[one.subject.type] for one in order), str, str, int]
    fits = len(after) == len(types) and all(map(_can_be, after, types))
    if not fits or None in after[len(order) :]:
        raise FilterError("sort: the place to go on from is not one of this listing; begin anew")


_TYPES: dict[str, type] = {"number": float, "instant": int, "text": str}


def _can_be(value: object, type: type) -> bool:
    match value:
        case None:
            return True
        case bool():
            return False
        case int():
            return type is not str and abs(value) < 1 << 63
        case float():
            return type is float and math.isfinite(value)
        case str():
            return type is str and is_text(value)
        case _:
            return False


def firsts(entries: Iterable[Entry]) -> set[Identity]:
    """The first entry of each scene, by part; all are of one kind."""
    least: dict[Scene, tuple[tuple[int, ...], Identity]] = {}
    for entry in entries:
        who = entry.identity
        scene, place = scene_of(who), _place(who.part)
        if scene not in least or place < least[scene][0]:
            least[scene] = place, who
    return {who for _, who in least.values()}


def _place(part: tuple[int, int, int, int] | int | None) -> tuple[int, ...]:
    match part:
        case None:
            return ()
        case int():
            return (part,)
        case _:
            return part
