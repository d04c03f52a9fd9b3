"""The ticket of a request: what its log line, its answer and its problems say of it."""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

_SANE = re.compile(r"[A-Za-z0-9._-]{8,128}")

current_ticket: ContextVar[Ticket | None] = ContextVar("ticket", default=None)
"""Of the request that is being answered; threads see it where their context is a copy."""


@dataclass
class Ticket:
    """What is known of one request."""

    id: str
    key: str | None = None
    """Name of the key that it came with."""
    is_local: bool = False
    """Whether only people at this machine can ask."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else its log line says; nothing that a caller wrote."""


def request_id(given: str | None) -> str:
    """The id that a caller gave, where it is one that a log can hold; else a new one."""
    return given if given and _SANE.fullmatch(given) else secrets.token_hex(16)


def current_id() -> str | None:
    """The id of the request that is being answered."""
    ticket = current_ticket.get()
    return ticket.id if ticket else None


def may_know() -> bool:
    """Whether who asks may be told of addresses and folders: at the machine, or with a key."""
    ticket = current_ticket.get()
    return ticket is not None and (ticket.is_local or ticket.key is not None)


def note(**facts: Any) -> None:
    """Add to the log line of the request that is being answered, if one is."""
    ticket = current_ticket.get()
    if ticket is not None:
        ticket.facts.update(facts)
