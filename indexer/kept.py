"""What the ledger holds of a thing, with the version to change it by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Kept(Generic[Value]):
    """What the ledger holds, and the version to hand back when changing it."""

    value: Value
    version: Any
