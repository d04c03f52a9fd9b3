"""Bearer keys: who may ask, known by digests alone.

A key is 256 random bits, so that nobody finds one by trying, and one SHA-256 is all that keeps it
at rest: slow hashes are for passwords, which people choose and which can be guessed.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from fastapi.security import HTTPBearer

MARK = "scenesift_"
"""Begins every key, so that those who look for lost secrets know one."""
BEARER = HTTPBearer(
    auto_error=False, scheme_name="key", description="A key of `scenesift key create`."
)
"""For the OpenAPI document alone: `RequireKey` has looked before any route is reached."""

_BYTES = 32


def new_token() -> str:
    """A key as its holder gets it."""
    return MARK + secrets.token_urlsafe(_BYTES)


def digest_of(token: str) -> str:
    """What is kept of a key: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key."""

    name: str
    digest: str
