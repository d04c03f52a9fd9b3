"""Page tokens: all that the next page needs, so that any process can go on.

A token is written for one question, and says where its last page ended. It is no secret, and gives
no right to anything: what it holds is checked as if it were asked anew.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from query_service.request import RequestError

_LONGEST = 8_000
"""Characters of a token."""


@dataclass(frozen=True)
class Token:
    """Where a page ended."""

    position: tuple[Any, ...]
    """Plain JSON values."""
    generation: str = ""
    """The one that the pages come from; empty where they follow the live one."""

    def written(self, question: object) -> str:
        """It as a text for that question."""
        parts = [_digest(question), self.generation, list(self.position)]
        text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    @classmethod
    def read(cls, text: str, question: object) -> Self:
        """What a text says; RequestError where it is none, or of another question."""
        try:
            if len(text) > _LONGEST or not text.isascii():
                raise ValueError
            digest, generation, position = json.loads(
                base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            )
            if not isinstance(generation, str) or not isinstance(position, list):
                raise ValueError
        except (ValueError, TypeError, RecursionError, binascii.Error) as error:
            raise RequestError("the token is none of ours; begin at the first page") from error
        if digest != _digest(question):
            raise RequestError(
                "the token is of another search; give with it what its first page was asked with"
            )
        return cls(tuple(position), generation)


def _digest(question: object) -> str:
    """What a question is told by; those that ask alike have the same."""
    return hashlib.sha256(repr(question).encode(errors="backslashreplace")).hexdigest()[:16]
