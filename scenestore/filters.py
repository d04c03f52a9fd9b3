"""Filters on entries; each engine has one translator for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries a search may return; all conditions hold together, empty means any."""

    collections: tuple[str, ...] = ()
    scenes: tuple[tuple[str, str], ...] = ()
    """(collection, scene) pairs of which one must match."""
    without_scenes: tuple[tuple[str, str], ...] = ()
    """(collection, scene) pairs that must not match: `--like` leaves out its own scene."""

    @property
    def narrows(self) -> bool:
        """Whether it can keep only a small part: leaving out a few scenes does not."""
        return bool(self.collections or self.scenes)

    def __bool__(self) -> bool:
        return bool(self.collections or self.scenes or self.without_scenes)


ANY = Filter()
