"""Errors of workers; each message is one line: what, where, what to do.

SceneSiftError
├── BrokerError         Redis is not as it has to be
└── WorkerError         a worker cannot work
"""

from sgpd.errors import SceneSiftError


class BrokerError(SceneSiftError):
    """Redis is not as it has to be."""


class WorkerError(SceneSiftError):
    """A worker cannot work."""
