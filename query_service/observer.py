"""What the service tells of its work, to whoever counts it."""

from __future__ import annotations

from typing import Literal, Protocol

from query_service.answer import Answer
from scenestore.entry import Kind

Encoded = Literal["text", "image"]
Refused = Literal["host", "key", "body_bytes", "body_seconds", "held_bytes", "busy", "deadline"]
"""Why a request was not let in, or not answered."""


class Observer(Protocol):
    """Is told what happens; quick, from any thread, and never fails."""

    def searched(self, answer: Answer, kind: Kind) -> None:
        """A search was answered."""

    def encoded(self, what: Encoded, queries: int, seconds: float) -> None:
        """So many queries were encoded at once."""

    def remembered(self, what: Encoded, is_known: bool) -> None:
        """A query's vector was asked of the memory of vectors, which had it or not."""

    def waiting(self, change: int) -> None:
        """So many more requests (less, where negative) wait for a thread."""

    def encoding(self, change: int) -> None:
        """So many more queries (less, where negative) wait to be encoded."""

    def refused(self, reason: Refused) -> None:
        """A request was refused."""


class _Nobody:
    def searched(self, answer: Answer, kind: Kind) -> None:
        """Nothing."""

    def encoded(self, what: Encoded, queries: int, seconds: float) -> None:
        """Nothing."""

    def remembered(self, what: Encoded, is_known: bool) -> None:
        """Nothing."""

    def waiting(self, change: int) -> None:
        """Nothing."""

    def encoding(self, change: int) -> None:
        """Nothing."""

    def refused(self, reason: Refused) -> None:
        """Nothing."""


NOBODY = _Nobody()
"""Implements `Observer` where nobody counts."""
