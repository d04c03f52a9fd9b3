"""Which members of an item are wanted (STAC's fields extension)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

Json = dict[str, Any]

ALWAYS = ("type", "id", "collection")
"""Members without which nobody knows what an item is."""


@dataclass(frozen=True)
class Fields:
    """Members to include (all, where none is named) and to exclude, such as `properties.gsd`."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Those that `id,+geometry,-assets` names; a `+` may have come as a blank."""
        names = [name.strip() for name in text.split(",") if name.strip()]
        return cls(
            tuple(name.removeprefix("+") for name in names if not name.startswith("-")),
            tuple(name[1:] for name in names if name.startswith("-")),
        )

    def of(self, item: Json) -> Json:
        """The item with the wanted members."""
        if not (self.include or self.exclude):
            return item
        item = deepcopy(item)
        kept: Json = {}
        for path in (*ALWAYS, *self.include) if self.include else tuple(item):
            _include(item, kept, path)
        for path in self.exclude:
            if path not in ALWAYS and not self._wants_of(path):
                _exclude(kept, path)
        return kept

    def _wants_of(self, path: str) -> bool:
        """Whether it, or a member of it, is to be included: that counts for more."""
        return any(f"{wanted}.".startswith(f"{path}.") for wanted in self.include)


EVERYTHING = Fields()


def _include(source: Json, kept: Json, path: str) -> None:
    """Take over what a path names; names of properties may have dots themselves."""
    if path in source:
        kept[path] = source[path]
        return
    head, _, rest = path.partition(".")
    if rest and isinstance(source.get(head), dict):
        _include(source[head], kept.setdefault(head, {}), rest)


def _exclude(kept: Json, path: str) -> None:
    if path in kept:
        del kept[path]
        return
    head, _, rest = path.partition(".")
    if rest and isinstance(kept.get(head), dict):
        _exclude(kept[head], rest)
