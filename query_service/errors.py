"""Errors of the query service, beside those of a search that cannot be (`RequestError`).

SceneSiftError
├── NotFoundError       nothing in the archive has this name
├── GoneError           what an answer went on from is there no more
├── BusyError           as many requests wait as may
└── TimedOutError       an answer took longer than it may
"""

from sgpd.errors import SceneSiftError


class NotFoundError(SceneSiftError):
    """Nothing in the archive has this name."""


class GoneError(SceneSiftError):
    """What an answer went on from is there no more."""


class BusyError(SceneSiftError):
    """As many requests wait as may."""


class TimedOutError(SceneSiftError):
    """An answer took longer than it may."""
