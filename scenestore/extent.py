"""What scenes cover: the least box on the map, and the first and the last instant."""

from __future__ import annotations

from dataclasses import dataclass

from scenestore.filters import Box

MOST_COLLECTIONS = 10_000
"""Whose extents are told at once."""


@dataclass(frozen=True, slots=True)
class Extent:
    """None where it is not known of any scene."""

    place: Box | None = None
    """Holds all footprints; from -180 to 180 where one crosses longitude 180."""
    first: int | None = None
    """Milliseconds since 1970."""
    last: int | None = None
