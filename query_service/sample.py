"""A sample of live searches, kept to be replayed: what they really found can then be measured."""

from __future__ import annotations

import datetime
import json
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from query_service.planner import Choice
from query_service.request import SearchRequest

_MOST_BYTES = 4 << 20
"""Of the file, some 1,500 searches; the one before it is kept too."""
_DIGITS = 5


def sample_files(file: Path) -> tuple[Path, Path]:
    """The file before and the file that is written now."""
    return file.with_suffix(".old.jsonl"), file


class SearchSample:
    """Appends a share of the searches to a file, one JSON object a line.

    `scenesift calibrate --replay` measures them. A search never fails because of it.
    """

    def __init__(self, file: Path, share: float, bundle: str) -> None:
        """`share` of the searches are kept, 0 to 1; `bundle` is its digest."""
        self._file = file
        self._share = share
        self._bundle = bundle

    def keep(self, request: SearchRequest, query: NDArray[np.float32], choice: Choice) -> None:
        """Perhaps keep a search with its query [d], and the settings that it was guided by.

        Only guided searches of a text or an image, without a filter that narrows, are kept.
        """
        if choice.way != "guided" or request.where.narrows or request.asked is None:
            return
        if random.random() >= self._share:
            return
        line = {
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "asked": request.asked,
            "searched": request.kind,
            "k": request.k,
            "target": request.target,
            "settings": asdict(choice.settings),
            "without": request.where.without_scenes,
            "bundle": self._bundle,
            "embedding": [round(value, _DIGITS) for value in query.tolist()],
        }
        try:
            if self._file.exists() and self._file.stat().st_size > _MOST_BYTES:
                self._file.replace(sample_files(self._file)[0])
            with self._file.open("a", encoding="ascii") as file:
                file.write(json.dumps(line) + "\n")  # one write: lines of two processes stay whole
        except OSError:
            pass  # read-only or full: the search itself is fine
