"""Which generation is live: a document of the ledger, so that all who share an engine agree."""

from __future__ import annotations

import re

from scenestore.ports import Ledger

_LIVE = "live"
_NAME = re.compile(r"g([1-9][0-9]*)")


def live(ledger: Ledger) -> str | None:
    """The name of the live generation; None while there is none."""
    record = ledger.read(_LIVE)
    return str(record.value["generation"]) if record else None


def switch(ledger: Ledger, generation: str) -> None:
    """Make a generation the live one; ConflictError when another process switched meanwhile."""
    record = ledger.read(_LIVE)
    ledger.write(_LIVE, {"generation": generation}, record.version if record else None)


def number(name: str) -> int:
    """The number of a generation's name, 0 for a name that is none: `g7` has 7."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else 0


def following(names: list[str]) -> str:
    """A name that none of these generations has, and none before them had."""
    return f"g{max(map(number, names), default=0) + 1}"
