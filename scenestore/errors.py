"""Errors of the store.

SceneSiftError
└── StoreError          an engine or a folder cannot do what was asked
    ├── UnavailableError    the engine does not answer (retry later)
    ├── ConflictError       a compare-and-set lost its race (re-read and try again)
    └── DamagedError        a batch, segment or log is not what was written
"""

from sgpd.errors import SceneSiftError


class StoreError(SceneSiftError):
    """An engine or a folder cannot do what was asked."""


class UnavailableError(StoreError):
    """The engine does not answer."""


class ConflictError(StoreError):
    """A compare-and-set lost its race."""


class DamagedError(StoreError):
    """A batch, segment or log is not what was written."""
