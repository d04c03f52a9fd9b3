"""Live searches measured again: what the settings in force find of what there is now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.calibration.job import DEPTH, Gallery
from indexer.calibration.questions import NAMES
from scenestore.entry import KINDS, Kind
from scenestore.generation import Generation
from sgpd.calibration import GUIDE_SIZE
from sgpd.metrics import bootstrap_interval
from sgpd.plan import RECALL_SETTINGS, Settings
from sgpd.replay import Replayer
from sgpd.tracing import trace

FEWEST = 30
"""Searches alike of which a mean is given."""


@dataclass(frozen=True)
class Remeasured:
    """What a sort of live searches finds."""

    direction: str
    k: int
    target: float
    searches: int
    recall: float
    low: float
    high: float
    """Bounds of the 95 % interval of the mean, by bootstrap over searches."""

    @property
    def is_kept(self) -> bool:
        """Whether the target may still be kept: it is not above the interval."""
        return self.high >= self.target


@dataclass(frozen=True)
class LiveSearch:
    """A line of the sample."""

    asked: str
    searched: Kind
    k: int
    target: float
    embedding: tuple[float, ...]


def remeasure(generation: Generation, files: Sequence[Path]) -> list[Remeasured]:
    """Replay the sampled searches of this bundle, guided and exhaustive; writes nothing.

    Lines of another bundle, damaged lines, and searches for more than a trace holds are passed by.
    """
    groups: dict[tuple[str, Kind, int, float], list[LiveSearch]] = defaultdict(list)
    for search in _lines(files, generation.bundle.digest, generation.bundle.dimension):
        groups[search.asked, search.searched, search.k, search.target].append(search)
    found = []
    galleries: dict[Kind, Gallery] = {}
    for (asked, kind, k, target), searches in sorted(groups.items()):
        if len(searches) < FEWEST:
            continue
        vectors = np.array([search.embedding for search in searches], np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if kind not in galleries:
            galleries[kind] = Gallery.open(generation, kind, vectors)
        gallery = galleries[kind]
        direction = f"{asked}_to_{NAMES[kind]}"
        settings = _settings(generation, direction, k, target)
        recalls = np.ones(len(searches))
        if settings is not None:
            calibration = generation.calibration()
            traces = trace(
                gallery.segments,
                generation.bundle.space(kind).sparsifier,
                vectors,
                depth=DEPTH,
                query_terms=(settings.query_terms,),
                guide_size=max(GUIDE_SIZE, settings.guide_size),
                allowed=gallery.is_live,
            )
            replayer = Replayer(
                list(traces),
                calibration.statistics[kind] if calibration else gallery.statistics,
                gallery.segments.counts,
                calibration.selectors.get(direction) if calibration else None,
            )
            recalls = np.array([one.recall for one in replayer.replay(settings, k)])
        low, high = bootstrap_interval(recalls, np.arange(len(recalls)).astype(np.str_))
        found.append(
            Remeasured(direction, k, target, len(searches), float(recalls.mean()), low, high)
        )
    return found


def _settings(generation: Generation, direction: str, k: int, target: float) -> Settings | None:
    """The settings that such a search has now; None where everything is scanned."""
    calibration = generation.calibration()
    promise = calibration.covering(direction, 1.0, k, target) if calibration else None
    if promise is not None:
        return promise.settings
    known = [known for known in RECALL_SETTINGS if known >= target]
    return RECALL_SETTINGS[min(known)] if known else None


def _lines(files: Sequence[Path], bundle: str, dimension: int) -> Iterator[LiveSearch]:
    for file in files:
        if not file.exists():
            continue
        for text in file.read_text(encoding="ascii", errors="replace").splitlines():
            try:
                line: dict[str, Any] = json.loads(text)
                search = LiveSearch(
                    line["asked"],
                    line["searched"],
                    int(line["k"]),
                    float(line["recall"]),
                    tuple(map(float, line["embedding"])),
                )
            except (ValueError, KeyError, TypeError):
                continue
            ours = line.get("bundle") == bundle and len(search.embedding) == dimension
            if ours and search.searched in KINDS and search.k <= DEPTH:
                yield search


class Measurements:
    """The last measurements of a generation, in its ledger."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._name = f"measured-{generation.log.generation}"

    def keep(self, found: Sequence[Remeasured], when: str) -> None:
        """Put measurements in the place of the last ones."""
        ledger = self._generation.log.ledger
        record = ledger.read(self._name)
        value = {"measured": when, "searches": [asdict(one) for one in found]}
        ledger.write(self._name, value, record.version if record else None)

    def last(self) -> tuple[str, list[Remeasured]] | None:
        """When it was last measured, and what was found; None where it never was."""
        record = self._generation.log.ledger.read(self._name)
        if record is None:
            return None
        found = [Remeasured(**one) for one in record.value["searches"]]
        return str(record.value["measured"]), found
