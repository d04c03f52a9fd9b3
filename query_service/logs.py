"""One format for every line that the service logs, uvicorn's and ours, with no secret in any."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote

from pythonjsonlogger.json import JsonFormatter

from query_service.keys import MARK
from query_service.ticket import current_id

LogFormat = Literal["json", "text"]

_HIDDEN = "***"
_SHORTEST = 4
"""Secrets below that many characters are in every other word, and none anyway."""
_SECRETS = re.compile(
    rf"""
      (?<=://)[^/\s@'"]+(?=@)                          # user and password of a URL
    | (?<={MARK})[A-Za-z0-9_-]{{20,}}                  # keys of ours
    | (?i: (?<=bearer\ )|(?<=basic\ ) ) [\w.~+/=-]{{8,}}  # what an Authorization header says
    """,
    re.VERBOSE,
)


class Scrubber:
    """Takes secrets out of texts: those it was told, and what looks like one."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        told = {way for each in secrets if len(each) >= _SHORTEST for way in _spellings(each)}
        self._told = (
            re.compile("|".join(re.escape(t) for t in sorted(told, key=len, reverse=True)))
            if told
            else None
        )

    def __call__(self, value: Any) -> Any:
        """The value, with *** in place of each secret in its texts."""
        match value:
            case str():
                text = self._told.sub(_HIDDEN, value) if self._told else value
                return _SECRETS.sub(_HIDDEN, text)
            case dict():
                return {key: self(each) for key, each in value.items()}
            case list() | tuple():
                return [self(each) for each in value]
            case _:
                return value


def _spellings(secret: str) -> set[str]:
    """A text as messages have it: as it is, in a repr, in JSON, in a URL."""
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")}


class JsonLines(JsonFormatter):
    """One JSON object a line."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
            reserved_attrs=[*vars(logging.makeLogRecord({})), "color_message", "message"],
            timestamp="time",
            json_ensure_ascii=False,
        )
        self._scrub = Scrubber(secrets)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The fields with the request's id, none without a value, no secret in any."""
        fields = {"time": log_data.pop("time"), **log_data, "request_id": current_id()}
        return {name: self._scrub(v) for name, v in fields.items() if v is not None}


class TextLines(logging.Formatter):
    """One line for people; a traceback has more."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime
        self._scrub = Scrubber(secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """The line itself, in which nothing can begin a new one."""
        id = current_id()
        line = super().formatMessage(record) + (f" [{id}]" if id else "")
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)

    def format(self, record: logging.LogRecord) -> str:
        """All of it, with no secret."""
        return str(self._scrub(super().format(record)))


def log_config(form: LogFormat, secrets: Sequence[str] = ()) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes, and uvicorn: everything to stderr in one format."""
    formatter = JsonLines if form == "json" else TextLines
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter, "secrets": tuple(secrets)}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "scenesift": {"level": "INFO"},
            "query_service": {"level": "INFO"},
            "uvicorn": {"level": "INFO"},
            "uvicorn.access": {"level": "CRITICAL"},  # ours says more, and no query
            "opensearch": {"level": "CRITICAL"},  # what fails is raised, and said in our words
        },
    }
