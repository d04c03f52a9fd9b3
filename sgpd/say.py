"""Remarks that long work makes on its way."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Gets remarks, a line each."""


def silent(line: str) -> None:
    """For who does not listen."""
