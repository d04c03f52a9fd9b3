"""The cookie that carries a key for a browser, which sends no Authorization header with a page.

It is the key itself: a replica knows keys by their digests alone, and shares no secret with the
others by which a token in its place could be checked. So it ends when the key is revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import Scope

NAME = "scenesift_key"
FORM_MARK = "form"
"""Parameter of the address that the page's form sends an image to; see `form_mark`."""
_READ = ("GET", "HEAD")
_SHOWN = re.compile(r"/|/openapi\.json|/entries/[^/]+(/thumbnail|/chip)?")
"""Paths that the page leads to."""


def put(response: Response, token: str, is_secure: bool) -> None:
    """Let a browser keep a key until it is closed, out of reach of scripts and of other sites."""
    response.set_cookie(NAME, token, secure=is_secure, httponly=True, samesite="strict")


def remove(response: Response) -> None:
    """Let a browser forget the key."""
    response.delete_cookie(NAME, httponly=True, samesite="strict")


def taken_token(scope: Scope) -> str | None:
    """The key in a request's cookie, where it counts; no cookie is left in the request.

    It counts for reading what the page shows, and for the page's form that sends an image.
    """
    token = cookie_parser("; ".join(Headers(scope=scope).getlist("cookie"))).get(NAME)
    scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"cookie"]
    return token if token and _opens(scope, token) else None


def form_mark(token: str) -> str:
    """What a form of the page proves by that it is one: only who knows the key can make it."""
    return hmac.new(token.encode(), b"a form of the page", hashlib.sha256).hexdigest()


def _opens(scope: Scope, token: str) -> bool:
    if scope["method"] in _READ:
        return _SHOWN.fullmatch(scope["path"]) is not None
    if scope["method"] != "POST" or scope["path"] != "/":
        return False
    given = parse_qs(scope["query_string"].decode("latin-1")).get(FORM_MARK, [""])[-1]
    return hmac.compare_digest(given.encode(), form_mark(token).encode())
