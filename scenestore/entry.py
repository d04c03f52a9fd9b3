"""Entries, their identities, and what became of each scene."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Scene = tuple[str, str]
"""A scene's collection and name."""
Kind = Literal["chip", "caption"]
KINDS: tuple[Kind, ...] = ("chip", "caption")

_CANONICAL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Status = Literal["indexed", "skipped", "failed", "deleted"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What an entry is, for ever: kind, collection, scene, and which part of the scene.

    A chip's part is its window `(column, row, width, height)` in pixels, or None where the chip is
    the whole scene; a caption's part is its number, from 0.
    """

    kind: Kind
    collection: str
    scene: str
    part: tuple[int, int, int, int] | int | None = None

    def canonical(self) -> str:
        """The one spelling that is hashed and shown."""
        part = list(self.part) if isinstance(self.part, tuple) else self.part
        return _CANONICAL.encode([self.kind, self.collection, self.scene, part])

    @property
    def id(self) -> str:
        """43 characters: base64url SHA-256 of the canonical form; the document's `_id`."""
        return digest_id(self.canonical())

    @classmethod
    def parse(cls, canonical: str) -> Identity:
        """The identity that `canonical()` spells."""
        kind, collection, scene, part = json.loads(canonical)
        return cls(kind, collection, scene, tuple(part) if isinstance(part, list) else part)


def digest_id(text: str) -> str:
    """Base64url SHA-256 of a text without padding (OpenSearch refuses ids above 512 bytes)."""
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of a scene beside its pixels; all of it optional."""

    datetime: str | None = None
    """ISO 8601 with a zone."""
    cloud_cover: float | None = None
    """Percent."""
    gsd: float | None = None
    """Metres a pixel."""
    platform: str | None = None
    footprint: Mapping[str, Any] | None = None
    """GeoJSON geometry, longitude and latitude in degrees."""
    properties: Mapping[str, str | float | int | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is indexed: one chip or one caption."""

    identity: Identity
    source: str
    """Where the scene's file lies, relative to the collection's source."""
    caption: str | None = None
    """The sentence of a caption entry; None for a chip."""
    top_terms: tuple[str, ...] = ()
    """Plain words for people, best first: concepts of the field, or words of the code's terms."""
    thumbnail: int | None = None
    """Place in its batch's pack of thumbnails."""
    metadata: Metadata = Metadata()


@dataclass(frozen=True, slots=True)
class SceneOutcome:
    """What became of a scene: indexed, skipped, failed or deleted, and why."""

    collection: str
    scene: str
    status: Status
    reason: str | None = None
    """One line; None when indexed."""
    fingerprint: str = ""
    """Changes when the scene's content, captions or metadata change."""
    stat: str = ""
    """`size:mtime_ns` of the file: when equal, the content is taken as unchanged."""
    chips: int = 0
    captions: int = 0

    @property
    def id(self) -> str:
        """Identity of the scene, hashed like an entry's."""
        return scene_id(self.collection, self.scene)


def scene_of(one: Identity | SceneOutcome) -> Scene:
    """The scene that an identity is of, or an outcome."""
    return one.collection, one.scene


def scene_id(collection: str, scene: str) -> str:
    """The id of a scene's outcome."""
    return digest_id(_CANONICAL.encode(["scene", collection, scene]))
