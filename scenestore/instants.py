"""Instants and periods as people and metadata write them (ISO 8601), to the millisecond."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_CALENDAR = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?")


def milliseconds(when: datetime) -> int:
    """Whole milliseconds since 1970, rounded down as OpenSearch does; no zone means UTC."""
    return (in_utc(when) - _EPOCH) // _MILLISECOND


def in_utc(when: datetime) -> datetime:
    """The instant in UTC; no zone means UTC. OverflowError outside of the years 1 to 9999."""
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def known_milliseconds(text: str | None) -> int | None:
    """The same of an entry's `datetime`; None where it has none, or one that is no instant."""
    try:
        return None if text is None else milliseconds(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def date_milliseconds(text: str) -> int | None:
    """The same of a property's text; None where it is no date that OpenSearch reads as well."""
    return known_milliseconds(text) if _DATE.fullmatch(text) else None


def written(since_1970: int) -> str:
    """Milliseconds since 1970 as ISO 8601."""
    return (_EPOCH + since_1970 * _MILLISECOND).isoformat(timespec="milliseconds")


def period(text: str) -> tuple[datetime, datetime]:
    """First and last instant of a year, month, day (2024, 2024-05, 2024-05-31) or instant.

    Raises ValueError for anything else.
    """
    calendar = _CALENDAR.fullmatch(text)
    if calendar is None:
        when = in_utc(datetime.fromisoformat(text))
        return when, when
    year, month, day = (int(part) if part else None for part in calendar.groups())
    assert year is not None
    first = datetime(year, month or 1, day or 1, tzinfo=UTC)
    last_month = month or 12
    last = datetime(year, last_month, day or monthrange(year, last_month)[1], tzinfo=UTC)
    return first, last.replace(hour=23, minute=59, second=59, microsecond=999_999)
