"""Collections as STAC has them."""

from __future__ import annotations

from typing import Any

from query_service.stac.items import STAC_VERSION
from query_service.stac.links import Links
from scenestore.extent import Extent
from scenestore.filters import Box
from scenestore.instants import written

WORLD = Box(-180.0, -90.0, 180.0, 90.0)
"""STAC asks for an extent where nothing is known of it."""


def collection(name: str, extent: Extent, links: Links) -> dict[str, Any]:
    """The collection of that name."""
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": name,
        "title": name,
        "description": f"The scenes of the collection {name}, searched by what they show.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [list(extent.place or WORLD)]},
            "temporal": {"interval": [[_instant(extent.first), _instant(extent.last)]]},
        },
        "links": links.collection(name),
    }


def _instant(when: int | None) -> str | None:
    return None if when is None else written(when).replace("+00:00", "Z")
