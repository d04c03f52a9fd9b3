"""Where the files of scenes can be fetched from, as the operator says; no path of ours is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from mimetypes import guess_type
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import quote, urlsplit

_ADDRESSES = {"http", "https", "s3", "gs", "az", "ftp"}
_ESCAPED = {"http", "https", "ftp"}
"""Whose addresses have %20 for a blank; a key in a bucket is written as it is."""
_TIFF = "image/tiff"
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
"""By exactly these letters QGIS knows what it can open as a layer."""


@dataclass(frozen=True)
class Sources:
    """What stands before the path of a scene's file, so that it is an address."""

    bases: Mapping[str, str] = field(default_factory=dict)
    """By collection; that of "" is for all others."""
    cogs: bool = False
    """Whether TIFF files are cloud-optimised GeoTIFFs."""

    def asset(self, collection: str, source: str) -> dict[str, Any] | None:
        """The asset that a scene's file is; None where nobody else could fetch it.

        `source` is a path in the folder of the collection, or an address itself.
        """
        if urlsplit(source).scheme in _ADDRESSES:
            href, path = source, urlsplit(source).path
        else:
            base = self.bases.get(collection, self.bases.get(""))
            if base is None or not _is_below(source):
                return None
            below = quote(source) if urlsplit(base).scheme in _ESCAPED else source
            href, path = f"{base.rstrip('/')}/{below}", source
        media, _ = guess_type(path)
        if media == _TIFF and self.cogs:
            media = _COG
        return {"href": href, **({} if media is None else {"type": media}), "roles": ["data"]}


def _is_below(path: str) -> bool:
    """Whether it stays in the folder that it is relative to."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not (
        path.startswith("/") or PureWindowsPath(path).is_absolute() or ".." in parts
    )
