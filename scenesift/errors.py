"""Errors of the top.

SceneSiftError
├── SettingsError       a setting has a value that cannot be
├── HomeError           a home directory cannot be used
│   └── HomeBusyError       another process is writing to it
├── GenerationError     a generation cannot be made, switched to or dropped
├── DroppedError        the generation that was searched is gone (a GoneError)
├── ServeError          the service cannot be started
├── KeysError           a key of the query service cannot be made or is not there
├── UnreachableError    a service does not answer a client
├── ProblemError        a service refuses what a client asked
├── EvaluationError     captions and images do not make an evaluation
├── SheetError          a contact sheet cannot be written
└── DemoError           the sample archive is not there
"""

from query_service.errors import GoneError
from sgpd.errors import SceneSiftError


class SettingsError(SceneSiftError):
    """A setting has a value that cannot be."""

    exit_code = 2


class HomeError(SceneSiftError):
    """A home directory cannot be used."""


class HomeBusyError(HomeError):
    """Another process is writing to it."""


class GenerationError(SceneSiftError):
    """A generation cannot be made, switched to or dropped."""


class DroppedError(GoneError):
    """The generation that was searched is gone."""


class ServeError(SceneSiftError):
    """The service cannot be started."""


class KeysError(SceneSiftError):
    """A key of the query service cannot be made or is not there."""


class UnreachableError(SceneSiftError):
    """A service does not answer a client."""


class ProblemError(SceneSiftError):
    """A service refuses what a client asked: a problem of RFC 9457."""

    def __init__(self, status: int, title: str, detail: str, request_id: str | None) -> None:
        found = f" (request {request_id})" if request_id else ""
        super().__init__(f"{status} {title}: {detail}{found}")
        self.status = status
        """Of HTTP."""
        self.title = title
        self.detail = detail
        """What is wrong, and what to do."""
        self.request_id = request_id
        """Finds the request in the service's logs."""


class EvaluationError(SceneSiftError):
    """Captions and images do not make an evaluation."""


class SheetError(SceneSiftError):
    """A contact sheet cannot be written."""


class DemoError(SceneSiftError):
    """The sample archive is not there."""
