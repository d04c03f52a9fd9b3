"""The parts of a form: texts, and files as their content."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from query_service.request import RequestError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_FIELDS = 40
LONGEST_FIELD = 2 << 20
"""Bytes of a text."""


@dataclass
class _Part:
    """One part, as it is read."""

    header: bytes = b""
    value: bytes = b""
    headers: dict[bytes, bytes] = field(default_factory=dict)
    content: bytearray = field(default_factory=bytearray)


class _Reader:
    """Takes what the parser finds; the whole form lies in memory, so nothing is spooled."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_whole = False
        self.callbacks: MultipartCallbacks = {
            "on_part_begin": self.on_part_begin,
            "on_header_field": self.on_header_field,
            "on_header_value": self.on_header_value,
            "on_header_end": self.on_header_end,
            "on_part_data": self.on_part_data,
            "on_end": self.on_end,
        }

    def on_part_begin(self) -> None:
        if len(self.parts) == MOST_FIELDS:
            raise RequestError(f"the form has more than {MOST_FIELDS} fields; send fewer")
        self.parts.append(_Part())

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].value += data[start:end]

    def on_header_end(self) -> None:
        part = self.parts[-1]
        part.headers[part.header.lower()] = part.value
        part.header = part.value = b""

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content += data[start:end]

    def on_end(self) -> None:
        self.is_whole = True


def parts_of(content_type: str, content: bytes) -> list[tuple[str, str | bytes]]:
    """Names and values in their order: a text, or the content of a file; RequestError."""
    reader = _Reader()
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise RequestError("the form does not say what is between its parts; send its boundary")
    try:
        MultipartParser(boundary, reader.callbacks).write(content)
    except FormParserError as error:
        raise RequestError(f"the form cannot be read: {error}") from error
    if not reader.is_whole:
        raise RequestError("the form has no end; send all of it")
    return [_told(part) for part in reader.parts]


def _told(part: _Part) -> tuple[str, str | bytes]:
    _, options = parse_options_header(part.headers.get(b"content-disposition", b""))
    if b"name" not in options:
        raise RequestError("a part of the form has no name; give each one")
    try:
        name = options[b"name"].decode()
        if b"filename" in options:
            return name, bytes(part.content)
        if len(part.content) > LONGEST_FIELD:
            raise RequestError(f"{name[:40]!a} is longer than {LONGEST_FIELD:,} bytes; shorten it")
        return name, part.content.decode()
    except UnicodeDecodeError as error:
        raise RequestError("the form has a text that is not UTF-8; send UTF-8") from error
