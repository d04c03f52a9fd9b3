"""Groups of hits: of one scene, or of one place on the map."""

from __future__ import annotations

from query_service.request import GroupBy
from scenestore.entry import Entry, Scene, scene_of
from scenestore.footprint import Footprint
from scenestore.tiles import PLACE_ZOOM, tile


class Groups:
    """Lets through the first entry of every group; without groups, every one."""

    def __init__(self, by: GroupBy | None) -> None:
        self._by = by
        self._seen: set[str | Scene] = set()

    def take(self, entry: Entry) -> bool:
        """Whether it is the first of its group."""
        if self._by is None:
            return True
        place = place_of(entry) if self._by == "place" else None
        group = place or scene_of(entry.identity)  # what lies nowhere is with its own scene alone
        is_new = group not in self._seen
        self._seen.add(group)
        return is_new


def place_of(entry: Entry) -> str | None:
    """The tile of the map that the centre of an entry's footprint lies in; None without one."""
    given = entry.metadata.footprint
    found = None if given is None else Footprint.of(given)
    return None if found is None else tile(*found.centre, PLACE_ZOOM)
