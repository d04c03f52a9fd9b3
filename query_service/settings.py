"""Limits and manners of the service, as it is told them; it reads no environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServiceSettings:
    """What one process of the service allows itself and its clients."""

    threads: int = 8
    """Requests that are worked on at once."""
    waiting: int = 64
    """Requests that may wait beyond these; further ones are told to come again."""
    timeout: float = 30.0
    """Seconds until a request is given up."""
    image_bytes: int = 20 << 20
    """Of an image that is uploaded."""
    image_pixels: int = 40_000_000
    """Of an image that is uploaded."""
    body_bytes: int = 32 << 20
    """Of a request, whatever is in it; images in JSON are a third larger."""
    held_bytes: int = 256 << 20
    """Of all requests together, until they are answered; see `HeldBytes`."""
    body_seconds: float = 30.0
    """In which a request has come as a whole."""
    keys: bool = True
    """Whether a key is asked for."""
    is_local: bool = False
    """Whether only people at this machine can ask: they may be told of addresses and folders."""
    hosts: tuple[str, ...] = ()
    """Names that the service goes by, `*.example.org` for all below; () takes any."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may read answers (CORS), such as `https://map.example.org`, or `*`."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Address before the paths of files, by collection, so that clients can fetch them; that of ""
    is for all others."""
    cogs: bool = False
    """Whether TIFF files are cloud-optimised GeoTIFFs."""
