"""Limits and manners of the service, as it is told them; it reads no environment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceSettings:
    """What one process of the service allows itself and its clients."""

    threads: int = 8
    """Requests that are worked on at once."""
    waiting: int = 64
    """Requests that may wait beyond these; further ones are told to come again."""
    timeout: float = 30.0
    """Seconds until a request is given up."""
    drain: float = 30.0
    """Seconds that requests under way are given to end when the service is stopped."""
    image_bytes: int = 20 << 20
    """Of an image that is uploaded."""
    image_pixels: int = 40_000_000
    """Of an image that is uploaded."""
