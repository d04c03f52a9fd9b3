"""What is looked for: words, with some to keep away from, images, and entries as examples."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Self

from query_service.request import RequestError
from scenestore.cql.form import is_text

LONGEST_TEXT = 2_000
"""Characters; models read some 60 words at most."""
MOST_EXAMPLES = 32
"""Entries that are examples, good and bad together."""
MOST_MINUS = 16
"""Words to keep away from: the model reads each on its own, and others wait meanwhile."""

_HYPHEN = "-\u2010-\u2013\u2212\ufe63\uff0d"
"""As keyboards, and programs that correct what is typed, spell it: hyphens, minus, en dash."""
_QUOTE = '"\u201c-\u201e'
_MINUS = re.compile(rf"(?<!\S)[{_HYPHEN}](?:[{_QUOTE}]([^{_QUOTE}]*)[{_QUOTE}]|([^\W\d_]\S*))")
"""`-ship` or `-"large ship"`; a hyphen within a word, or before a number, is part of the text."""
_UNCLOSED = re.compile(rf"(?<!\S)[{_HYPHEN}][{_QUOTE}]")
_ALONE = re.compile(rf"(?<!\S)[{_HYPHEN}\u2014\u2015]+(?!\S)")
"""Hyphens and dashes that are no part of any word: they say nothing to look for."""
_DATA_URI = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_URL = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """At least a text, an image or a good example; RequestError where it is none."""

    text: str | None = None
    minus: tuple[str, ...] = ()
    """Words that the text keeps away from."""
    image: bytes | None = None
    """Content of an image file."""
    like: tuple[str, ...] = ()
    """Ids of entries."""
    unlike: tuple[str, ...] = ()
    """Ids of entries."""

    @classmethod
    def of(
        cls,
        text: str | None = None,
        image: bytes | None = None,
        like: tuple[str, ...] = (),
        unlike: tuple[str, ...] = (),
    ) -> Self:
        """The question that a text as people write it, and examples, make."""
        words, minus = (None, ()) if text is None else _read(text)
        question = cls(words, minus, image, like, unlike)
        if not (words or image or like):
            raise RequestError(
                f"there is nothing to look for{_why_nothing(text, minus)}; give a text of at least "
                "one word, an image, or the id of an entry to be like"
            )
        if len(like) + len(unlike) > MOST_EXAMPLES:
            raise RequestError(f"there are more than {MOST_EXAMPLES} examples; give the best ones")
        if not all(map(is_text, (*like, *unlike))):
            raise RequestError("an id has a character that no id has; take ids from hits")
        return question

    @property
    def is_mixed(self) -> bool:
        """Whether it is more than one text, one image, or one entry."""
        parts = [*([self.text] if self.text else []), *([1] if self.image else []), *self.like]
        return len(parts) > 1 or bool(self.minus or self.unlike)

    @property
    def digest(self) -> str:
        """Tells it from others."""
        image = "" if self.image is None else hashlib.sha256(self.image).hexdigest()
        parts = [self.text, self.minus, image, self.like, self.unlike]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _why_nothing(text: str | None, minus: tuple[str, ...]) -> str:
    if text is None:
        return ""
    return ": the text only says what to keep away from" if minus else ": no word is in the text"


def inline_image(given: str, most_bytes: int) -> bytes:
    """The content that base64, or a data URI, holds; RequestError where it holds none."""
    start = _DATA_URI.match(given)
    if start is None and (_URL.match(given) or given[:5].lower() == "data:"):
        raise RequestError(
            "image: an address is not followed; send the image itself, as base64 or as an upload"
        )
    text = given[start.end() :] if start else given
    if len(text) > most_bytes * 4 // 3 + 4:
        raise RequestError(f"image: more than the {most_bytes:,} bytes allowed; make it smaller")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError("image: this is no base64; encode the content of a file") from error


def _read(text: str) -> tuple[str | None, tuple[str, ...]]:
    """What a text looks for, if anything, and what it keeps away from."""
    if len(text) > LONGEST_TEXT:
        raise RequestError(
            f"text: {len(text):,} characters are more than {LONGEST_TEXT:,}; say it shorter"
        )
    if not is_text(text):
        raise RequestError(
            "text: it has a character that is no text (NUL, or half a pair); leave it out"
        )
    minus = tuple((found[1] or found[2] or "").strip() for found in _MINUS.finditer(text))
    rest = _MINUS.sub(" ", text)
    if _UNCLOSED.search(rest):
        raise RequestError(
            'text: a -" begins words to keep away from, and no " ends them; close the quotes'
        )
    if len(minus) > MOST_MINUS:
        raise RequestError(
            f"text: {len(minus)} words to keep away from are more than {MOST_MINUS}; name fewer"
        )
    return " ".join(_ALONE.sub(" ", rest).split()) or None, tuple(filter(None, minus))
