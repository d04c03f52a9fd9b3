"""Ids of items: a scene's name with what a URL, or a list of ids, would take apart written out.

`images/harbour 1.jpg` is `images~2Fharbour~201.jpg`: readable, the same for ever, and it can be
read back, so that an item is found without an index of ids.
"""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
_WRITTEN = re.compile(r"(?:~[0-9A-F]{2})+")
_ONLY_DOTS = re.compile(r"\.+")


def item_id(scene: str) -> str:
    """The id of the item that a scene is."""
    if _ONLY_DOTS.fullmatch(scene):  # URLs take these for a way up
        return scene.replace(".", "~2E")
    return _PLAIN.sub(lambda found: "".join(f"~{byte:02X}" for byte in found[0].encode()), scene)


def scene_of(id: str) -> str | None:
    """The scene whose item has this id; None where no scene's has."""
    try:
        scene = _WRITTEN.sub(lambda found: bytes.fromhex(found[0].replace("~", "")).decode(), id)
        return scene if id and item_id(scene) == id else None
    except UnicodeError:
        return None
