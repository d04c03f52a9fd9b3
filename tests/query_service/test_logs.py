"""Log lines: one format, an id, and no secret."""

from __future__ import annotations

import io
import json
import logging

import pytest

from query_service.keys import new_token
from query_service.logs import LogFormat, log_config
from query_service.ticket import Ticket, current_ticket

SECRETS = ['p"ss\\word', "hush-hush"]


class Log:
    """A logger of the service's format, apart from those of the tests."""

    def __init__(self, form: LogFormat) -> None:
        self.form = form
        self._text = io.StringIO()
        formatter = log_config(form, SECRETS)["formatters"]["line"]
        handler = logging.StreamHandler(self._text)
        handler.setFormatter(formatter.pop("()")(**formatter))
        self.logger = logging.Logger("scenesift.request")
        self.logger.addHandler(handler)

    def read(self) -> str:
        """What was logged."""
        return self._text.getvalue()


@pytest.fixture(params=["json", "text"])
def log(request: pytest.FixtureRequest) -> Log:
    """A log of each format."""
    return Log(request.param)


TOKEN = new_token()
LEAKS = [
    "redis://user:hush-hush@queue:6379/0 cannot be reached",
    "https://admin:s3cr3t%40@search:9200",
    "Authorization: Basic YWRtaW46czNjcjN0",
    "sent Bearer abcdef0123456789",
    f"who has {TOKEN}?",
    f"repr {SECRETS[0]!r} and {SECRETS[0]}",
]
NAMES = ["address", "user", "basic", "bearer", "key", "repr"]
"""Of the tests: one with a new key in its name would be another in each process."""
HIDDEN = ["hush-hush", "s3cr3t", "YWRtaW46", "abcdef0123456789", TOKEN[12:], 'p"ss', "ss\\\\word"]


@pytest.mark.parametrize("leak", LEAKS, ids=NAMES)
def test_no_secret_is_in_a_message_an_error_or_a_field(log: Log, leak: str) -> None:
    try:
        raise ValueError(leak)
    except ValueError:
        log.logger.exception("failed: %s", leak, extra={"why": [leak]})
    line = log.read()
    assert "failed" in line
    assert "***" in line
    assert not [secret for secret in HIDDEN if secret in line]
    assert "queue:6379/0" in line or "redis" not in leak  # the rest of it stays


def test_a_line_carries_the_id_and_cannot_be_forged(log: Log) -> None:
    token = current_ticket.set(Ticket("request-1"))
    log.logger.info("hello\nworld\x1b[31m", extra={"status": 200, "key": None})
    current_ticket.reset(token)
    (line,) = log.read().splitlines()
    assert "request-1" in line
    assert "\x1b" not in line
    if log.form == "json":
        fields = json.loads(line)
        assert fields.pop("time").endswith("+00:00")
        assert fields == {
            "level": "INFO",
            "logger": "scenesift.request",
            "message": "hello\nworld\x1b[31m",
            "status": 200,
            "request_id": "request-1",
        }
