"""What all who share a store must agree on: the bundle to begin with, the engine that serves it.

Numbered blobs of the store, of which the last counts: none is ever changed, and two writers never
get the same number.
"""

from __future__ import annotations

import json

from scenesift.errors import HomeError
from scenestore.store import Store

FORMAT = 1
_KEPT = 2
"""Blobs that stay when a new one is written: a reader may just have listed them."""


class SharedFacts:
    """Facts of an archive by name, kept in its store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self) -> dict[str, str]:
        """The facts; none where nothing was ever written. HomeError when they are of no use."""
        for _ in range(3):  # what was listed may be replaced before it is read
            names = self._store.blobs()
            content = self._store.get(names[-1]) if names else b"{}"
            if content is not None:
                return self._parsed(names[-1], content) if names else {}
        raise HomeError(f"{self._store}: changes faster than it can be read; try again")

    def remember(self, **facts: str) -> None:
        """Write down facts beside those that are known."""
        while {**(known := self.read()), **facts} != known:
            names = self._store.blobs()
            number = int(names[-1]) + 1 if names else 1
            content = json.dumps({"format": FORMAT, "facts": {**known, **facts}}).encode()
            if self._store.put(f"{number:06d}", content):
                for old in names[: 1 - _KEPT]:
                    self._store.remove(old)

    def _parsed(self, name: str, content: bytes) -> dict[str, str]:
        try:
            value = json.loads(content)
            found, facts = value["format"], value["facts"]
        except (ValueError, KeyError, TypeError) as error:
            raise HomeError(
                f"{self._store}/{name} cannot be read ({error}); restore it from a backup"
            ) from error
        if found != FORMAT:
            raise HomeError(
                f"{self._store} has format {found}, this version of SceneSift reads {FORMAT}; "
                "use the version that wrote it"
            )
        return dict(facts)
