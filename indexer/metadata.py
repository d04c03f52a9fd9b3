"""What a line of captions says of a scene beside its sentences, checked value by value."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any

from scenestore.entry import Metadata

_LONGEST_NAME = 256
_LONGEST_VALUE = 4_096
_NESTING = {"Polygon": 1, "MultiPolygon": 2}
"""How deep the rings of a geometry lie in its coordinates."""


def parse_metadata(line: Mapping[str, Any]) -> Metadata:
    """The metadata among a line's keys; null means not known. ValueError says what is wrong."""
    values = {key: check(line[key]) for key, check in _CHECKS.items() if line.get(key) is not None}
    return Metadata(**values)


def _datetime(value: Any) -> str:
    """ISO 8601 in UTC; a time without a zone is taken as UTC."""
    try:
        when = datetime.datetime.fromisoformat(value)
        if when.tzinfo is None:
            when = when.replace(tzinfo=datetime.UTC)
        return when.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"datetime {_short(value)} is not ISO 8601, such as 2024-05-31T10:30:00Z"
        ) from error


def _cloud_cover(value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= 100:
        raise ValueError(f"cloud_cover {_short(value)} is not a number from 0 to 100 (percent)")
    return float(value)


def _gsd(value: Any) -> float:
    if not _is_number(value) or value <= 0:
        raise ValueError(f"gsd {_short(value)} is not a number above 0 (metres a pixel)")
    return float(value)


def _platform(value: Any) -> str:
    return _string("platform", value)


def _footprint(value: Any) -> dict[str, Any]:
    """A GeoJSON Polygon or MultiPolygon, keys beside type and coordinates left out."""
    kind = value.get("type") if isinstance(value, dict) else None
    nesting = _NESTING.get(kind) if isinstance(kind, str) else None
    if nesting is None:
        raise ValueError(f"footprint {_short(value)} is not a GeoJSON Polygon or MultiPolygon")
    groups = [value.get("coordinates")]
    for _ in range(nesting):
        if not all(isinstance(group, list) and group for group in groups):
            raise ValueError("footprint has no coordinates")
        groups = [member for group in groups for member in group]
    for ring in groups:
        _check_ring(ring)
    return {"type": kind, "coordinates": value["coordinates"]}


def _check_ring(ring: Any) -> None:
    if not isinstance(ring, list) or len(ring) < 4:
        raise ValueError("footprint has a ring of fewer than 4 positions")
    for position in ring:
        if not (
            isinstance(position, list)
            and len(position) in (2, 3)
            and all(map(_is_number, position))
            and abs(position[0]) <= 180
            and abs(position[1]) <= 90
        ):
            raise ValueError(
                f"footprint has {_short(position)}, not [longitude, latitude] in degrees"
            )
    if ring[0] != ring[-1]:
        raise ValueError("footprint has a ring that does not end where it begins")


def _properties(value: Any) -> dict[str, str | float | int | bool]:
    """A flat object; members that are null are left out."""
    if not isinstance(value, dict):
        raise ValueError(f"properties {_short(value)} is not an object")
    flat: dict[str, str | float | int | bool] = {}
    for name, member in value.items():
        if member is None:
            continue
        if not isinstance(member, bool) and not _is_number(member):
            member = _string(f"properties: {_short(name)}", member)
        flat[_string("properties: a name", name, _LONGEST_NAME)] = member
    return flat


def _string(what: str, value: Any, longest: int = _LONGEST_VALUE) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is {_short(value)}, not a string, a number, true or false")
    if not value or len(value) > longest or not _is_unicode(value):
        raise ValueError(f"{what} is {_short(value)}, not 1 to {longest} characters of text")
    return value


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 2**63
        and math.isfinite(value)
    )


def _is_unicode(text: str) -> bool:
    """Whether it can be written down: half a surrogate pair, which JSON can spell, cannot."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def _short(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "datetime": _datetime,
    "cloud_cover": _cloud_cover,
    "gsd": _gsd,
    "platform": _platform,
    "footprint": _footprint,
    "properties": _properties,
}

KEYS = frozenset(_CHECKS)
"""What of a line is metadata."""
