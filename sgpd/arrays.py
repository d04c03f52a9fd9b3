"""Arrays in numpy's files, read by several threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_parsing = threading.Lock()


def load_array(file: Path, *, mapped: bool = False) -> NDArray[Any]:
    """The array of a `.npy` file, in a memory map if so asked; OSError, ValueError.

    One file at a time: numpy parses the head of a file as Python, and where two threads do so at
    once, releases of Python 3.11 may fail with a SystemError (gh-106905).
    """
    with _parsing:
        found = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
    # A plain view of a memory map: numpy's own subclass costs microseconds an operation.
    return np.asarray(found)
