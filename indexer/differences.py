"""Differences: what only one of two ordered streams has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item", bound=tuple[Any, ...])


def differences(expected: Iterable[Item], found: Iterable[Item]) -> Iterator[tuple[bool, Item]]:
    """What only one of two ascending streams has, and whether that is the expected one."""
    left, right = iter(expected), iter(found)
    here, there = next(left, None), next(right, None)
    while here is not None or there is not None:
        if here == there:
            here, there = next(left, None), next(right, None)
        elif there is not None and (here is None or there < here):
            yield False, there
            there = next(right, None)
        elif here is not None:
            yield True, here
            here = next(left, None)
