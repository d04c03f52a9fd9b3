"""Expressions: trees of conditions on one entry, which each engine translates.

Logic is SQL's, of three values: a condition on what is not known of an entry is neither true nor
false, so that neither it nor its denial holds. By De Morgan, which stays right there, a denial
always stands at one condition, never at a group: engines need no third value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from scenestore.filters import Box

Type = Literal["number", "text", "instant", "place", "any"]
"""What is compared. A property may hold another type in each entry, and a condition on one of them
finds it not known where it holds another; `any` asks only whether it is known at all."""
Comparable = str | float | int
"""A text, a number as float64, or an instant as milliseconds since 1970."""

"""A box, or a geometry as `areas.read` spells it."""


class Subject(NamedTuple):
    """What a condition is on: a field of the entry, or one of its properties."""

    name: str
    type: Type
    is_property: bool = False


class Bound(NamedTuple):
    """An end of a range."""

    value: Comparable
    included: bool


class Wild(Enum):
    """What a piece of a pattern stands for."""

    MANY = "any characters, or none"
    ONE = "one character"


@dataclass(frozen=True, slots=True)
class Within:
    """It lies between two bounds; without bounds it is known, as that type.

    Texts are in the order of their code points.
    """

    subject: Subject
    low: Bound | None = None
    high: Bound | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """It is one of the values; instants are compared by `Within`."""

    subject: Subject
    values: tuple[Comparable, ...]
    folded: bool = False
    """Whether letters A to Z are equal to a to z, which is how the values then are."""


@dataclass(frozen=True, slots=True)
class Like:
    """The text as a whole follows the pattern."""

    subject: Subject
    pattern: tuple[str | Wild, ...]
    folded: bool = False
    """Whether letters A to Z are equal to a to z, which is how the pattern then is."""


@dataclass(frozen=True, slots=True)
class Meets:
    """The footprint has at least a point in common with the place."""

    place: Box | str
    """A box, or a geometry as `areas.read` spells it."""


@dataclass(frozen=True, slots=True)
class Known:
    """It is known, whatever it holds; always true or false."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Unknown:
    """It is not known; always true or false."""

    subject: Subject


Test = Within | OneOf | Like | Meets


@dataclass(frozen=True, slots=True)
class Denied:
    """What is tested is known, and the test fails."""

    test: Test


@dataclass(frozen=True, slots=True)
class All:
    """All conditions hold; true without any."""

    conditions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one condition holds; false without any."""

    conditions: tuple[Expression, ...]


Expression = Within | OneOf | Like | Meets | Known | Unknown | Denied | All | Some

TRUE = All(())
FALSE = Some(())
DATETIME = Subject("datetime", "instant")
CLOUD_COVER = Subject("cloud_cover", "number")
GSD = Subject("gsd", "number")
PLATFORM = Subject("platform", "text")
COLLECTION = Subject("collection", "text")
SCENE = Subject("scene", "text")
FOOTPRINT = Subject("footprint", "place")
"""The fields of an entry; all else are properties."""
ORDERED = {
    "datetime": DATETIME,
    "cloud_cover": CLOUD_COVER,
    "eo:cloud_cover": CLOUD_COVER,
    "gsd": GSD,
    "platform": PLATFORM,
    "collection": COLLECTION,
    "scene": SCENE,
}
"""Those with an order, by the names that filters and listings know them by."""


def subject(test: Test) -> Subject:
    """What is tested."""
    return FOOTPRINT if isinstance(test, Meets) else test.subject


def joined(group: type[All] | type[Some], members: Iterable[Expression]) -> Expression:
    """The group of the members, those of members that are such groups among them."""
    flat: list[Expression] = []
    for member in members:
        flat += member.conditions if isinstance(member, group) else (member,)
    return flat[0] if len(flat) == 1 else group(tuple(flat))


def denied(expression: Expression) -> Expression:
    """What holds where the expression is false, and not where it is neither true nor false."""
    match expression:
        case All(conditions):
            return Some(tuple(map(denied, conditions)))
        case Some(conditions):
            return All(tuple(map(denied, conditions)))
        case Known(subject):
            return Unknown(subject)
        case Unknown(subject):
            return Known(subject)
        case Denied(test):
            return test
        case test:
            return Denied(test)


def conditions(expression: Expression) -> Iterator[Expression]:
    """The conditions that are no groups."""
    if isinstance(expression, All | Some):
        for condition in expression.conditions:
            yield from conditions(condition)
    else:
        yield expression
