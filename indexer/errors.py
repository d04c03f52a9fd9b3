"""Errors of indexing; each message is one line: what, where, what to do.

SceneSiftError
├── SourceError         a folder of images cannot be used
├── CaptionsError       a file of captions cannot be used
├── QueriesError        a file of queries to calibrate on cannot be used
├── CollectionError     a collection is not what was asked for
├── RunError            a distributed run cannot go on, or is in the way
│   └── UnfitError          a batch is not for a worker like this one
├── ChoreError          maintenance that workers were asked for came to nothing
├── FailuresError       more scenes failed than were allowed to
├── ImageError          one image cannot be used: the reason of its outcome
├── DifferenceError     two generations do not hold the same scenes
└── NotFoundError       nothing in the archive has this id
"""

from sgpd.errors import SceneSiftError


class SourceError(SceneSiftError):
    """A folder of images cannot be used."""


class CaptionsError(SceneSiftError):
    """A file of captions cannot be used."""


class QueriesError(SceneSiftError):
    """A file of queries to calibrate on cannot be used."""


class CollectionError(SceneSiftError):
    """A collection is not what was asked for."""


class RunError(SceneSiftError):
    """A distributed run cannot go on, or is in the way."""


class UnfitError(RunError):
    """A batch is not for a worker like this one."""


class ChoreError(SceneSiftError):
    """Maintenance that workers were asked for came to nothing."""


class FailuresError(SceneSiftError):
    """More scenes failed than were allowed to."""


class ImageError(SceneSiftError):
    """One image cannot be used; the message is the reason of its outcome."""


class DifferenceError(SceneSiftError):
    """Two generations do not hold the same scenes."""


class NotFoundError(SceneSiftError):
    """Nothing in the archive has this id."""
