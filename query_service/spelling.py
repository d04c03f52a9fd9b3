"""How page tokens are spelt in URLs; what one holds is checked by who reads it."""

from __future__ import annotations

import base64

_LONGEST = 64 << 10
"""Characters; texts that are ordered by may be long."""


def spelt(content: bytes) -> str:
    """Content as URLs take it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def content_of(token: str) -> bytes:
    """What `spelt` was given; ValueError where it can have spelt no such token."""
    if len(token) > _LONGEST:
        raise ValueError
    return base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
