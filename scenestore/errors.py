"""Errors of the store.

SceneSiftError
├── FilterError         a filter asks for something that cannot be
└── StoreError          an engine or a folder cannot do what was asked
    ├── UnavailableError    the engine does not answer (retry later)
    ├── ConflictError       a compare-and-set lost its race (re-read and try again)
    ├── LostError           another process has taken over what this one held
    ├── ClosedError         another generation takes the place of the one written to
    ├── RefusedError        an engine will not take one document, whatever room it has
    └── DamagedError        a batch, segment or log is not what was written
"""

from sgpd.errors import SceneSiftError


class FilterError(SceneSiftError):
    """A filter asks for something that cannot be."""

    exit_code = 2


class StoreError(SceneSiftError):
    """An engine or a folder cannot do what was asked."""


class UnavailableError(StoreError):
    """The engine does not answer."""


class ConflictError(StoreError):
    """A compare-and-set lost its race."""


class LostError(StoreError):
    """Another process has taken over what this one held."""


class ClosedError(StoreError):
    """Another generation takes the place of the one written to: write to the live one again."""


class RefusedError(StoreError):
    """An engine will not take one document, whatever room it has."""


class DamagedError(StoreError):
    """A batch, segment or log is not what was written."""
