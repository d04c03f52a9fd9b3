"""What a service tells a client, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

Json = dict[str, Any]


class _Told:
    """Read from JSON by the names of its fields; what a newer service says beside them is left."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """What the JSON says."""
        names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in told.items() if name in names})


@dataclass(frozen=True, kw_only=True)
class RemoteEntry(_Told):
    """A chip or a caption, and what is known of its scene."""

    id: str
    kind: str
    collection: str
    scene: str
    source: str
    """Where the scene's file lies in its collection."""
    part: list[int] | int | None = None
    """A chip's window (column, row, width, height) in pixels, or a caption's number."""
    caption: str | None = None
    words: list[str]
    """Plain words that set it apart, best first."""
    datetime: str | None = None
    cloud_cover: float | None = None
    """Percent."""
    gsd: float | None = None
    """Metres a pixel."""
    platform: str | None = None
    footprint: Json | None = None
    """GeoJSON geometry."""
    properties: Json
    thumbnail: str | None = None
    """Path in the service; `Client.thumbnail` gets it."""


@dataclass(frozen=True, kw_only=True)
class RemoteHit(RemoteEntry):
    """An entry that was found."""

    rank: int
    """Over all pages, from 1."""
    score: float
    """Cosine of the query and the stored vector."""
    percentile: float
    """Percent of the archive's entries that score lower."""
    terms: list[Json] | None = None
    """What matched, where `explain` was asked for."""


@dataclass(frozen=True, kw_only=True)
class RemoteAnswer(_Told):
    """Hits, best first, and how they were found."""

    hits: list[RemoteHit]
    next: str | None = None
    """Token of the next page; `Client.pages` follows it."""
    generation: str
    strategy: str
    reason: str
    recall: str
    expected_recall: float | None = None
    scanned: int
    """Vectors that were scored."""
    entries: int
    missing: list[str]
    """What failed and was left out, where `partial` allowed it."""
    milliseconds: dict[str, float]
    explained: Json | None = None
    """The query's terms and the opened cells, where `explain` was asked for."""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """What the JSON says."""
        return super().of({**told, "hits": [RemoteHit.of(hit) for hit in told["hits"]]})


@dataclass(frozen=True, kw_only=True)
class RemoteScene(_Told):
    """What became of a scene, and its entries."""

    collection: str
    scene: str
    status: str
    reason: str | None = None
    """Why it was skipped or failed."""
    entries: list[RemoteEntry]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """What the JSON says."""
        return super().of({**told, "entries": [RemoteEntry.of(one) for one in told["entries"]]})


@dataclass(frozen=True, kw_only=True)
class RemoteGroup(_Told):
    """How many are of one value."""

    value: str
    count: int
    bbox: list[float] | None = None
    """Of a tile: west, south, east, north in degrees."""


@dataclass(frozen=True, kw_only=True)
class RemoteCounts(_Told):
    """The largest groups, and what they leave out; nothing is estimated."""

    by: str
    unit: str
    kind: str
    groups: list[RemoteGroup]
    total: int
    unknown: int
    distinct: int
    others: int
    best: int | None = None
    """How many of the best hits were counted at most; None where all that passes was."""
    generation: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """What the JSON says."""
        return super().of({**told, "groups": [RemoteGroup.of(group) for group in told["groups"]]})
