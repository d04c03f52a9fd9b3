"""Tokens of listings: where a page ended, so that any process can go on; nothing is kept here.

A token is no secret and gives no right to anything: what it holds is checked like any question.
"""

from __future__ import annotations

import hashlib
import json
import math

from query_service.request import RequestError
from query_service.spelling import content_of, spelt
from scenestore.cql.form import is_text
from scenestore.listing import Position


def spelled(position: Position, question: object) -> str:
    """The token of a page that ended at a position, for that question."""
    text = json.dumps([_digest(question), *position], ensure_ascii=False, separators=(",", ":"))
    return spelt(text.encode())


def parsed(token: str, question: object) -> Position:
    """The position that a token spells; RequestError where it spells none, or of another question.

    Whether it is one of the order asked for, the listing checks.
    """
    try:
        digest, *position = json.loads(content_of(token))
        if not all(map(_can_be, position)):
            raise ValueError
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError("the token is not one of ours; begin at the first page") from error
    if digest != _digest(question):
        raise RequestError(
            "the token is of another search; give the same conditions as for the page before"
        )
    return tuple(position)


def _can_be(value: object) -> bool:
    """Whether engines can compare with it."""
    match value:
        case str():
            return is_text(value)
        case bool():
            return False
        case int() | float():
            return math.isfinite(value) and abs(value) < 2**63
        case _:
            return value is None


def _digest(question: object) -> str:
    return hashlib.sha256(repr(question).encode(errors="backslashreplace")).hexdigest()[:16]
