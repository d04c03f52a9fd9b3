"""Live searches measured again: what the settings in force find of what there is now."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from indexer.calibration.gallery import Gallery
from indexer.calibration.job import DEPTH
from scenestore.entry import KINDS, Kind, Scene
from scenestore.generation import Generation
from scenestore.ports import Ledger
from sgpd.calibration import direction
from sgpd.metrics import bootstrap_interval
from sgpd.plan import Settings
from sgpd.replay import Replayer, Trace
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

    direction: str
    searched: Kind
    k: int
    target: float
    settings: Settings
    without: tuple[Scene, ...]
    embedding: tuple[float, ...]


def remeasure(generation: Generation, files: Sequence[Path]) -> list[Remeasured]:
    """Replay the sampled searches with the settings they had, beside a whole scan; writes nothing.

    Searches of another bundle, those before the calibration in force, damaged lines, and searches
    for more than a trace holds are passed by.
    """
    calibration = generation.calibration()
    since = calibration.made if calibration else ""
    searches = list(_searches(files, generation, since))
    recalls: dict[tuple[str, int, float], list[float]] = defaultdict(list)
    for kind in KINDS:
        ours = [search for search in searches if search.searched == kind]
        if not ours:
            continue
        gallery = Gallery.open(generation, kind)
        statistics = generation.bundle.space(kind).cells.prior
        if calibration:
            statistics = calibration.statistics.get(kind, statistics)
        for way, settings in sorted({(s.direction, s.settings) for s in ours}, key=str):
            alike = [s for s in ours if (s.direction, s.settings) == (way, settings)]
            replayer = Replayer(
                _traced(generation, gallery, alike, settings),
                statistics,
                gallery.segments.counts,
                calibration.selectors.get(way) if calibration else None,
            )
            for index, search in enumerate(alike):
                did = replayer.replay_one(index, settings, search.k)
                recalls[way, search.k, search.target].append(did.recall)
    return [
        Remeasured(*asked, len(found), float(np.mean(found)), *_interval(found))
        for asked, found in sorted(recalls.items())
        if len(found) >= FEWEST
    ]


def _interval(recalls: Sequence[float]) -> tuple[float, float]:
    every = np.arange(len(recalls)).astype(np.str_)
    return bootstrap_interval(np.array(recalls), every)


def _traced(
    generation: Generation, gallery: Gallery, searches: Sequence[LiveSearch], settings: Settings
) -> list[Trace]:
    vectors = np.array([search.embedding for search in searches], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return list(
        trace(
            gallery.segments,
            generation.bundle.space(gallery.kind).sparsifier,
            vectors,
            depth=DEPTH,
            query_terms=(settings.query_terms,),
            guide_size=settings.guide_size,
            allowed=gallery.is_live,
            without=gallery.places_of(generation, [search.without for search in searches]),
        )
    )


def _searches(files: Sequence[Path], generation: Generation, since: str) -> Iterator[LiveSearch]:
    bundle = generation.bundle
    for file in files:
        if not file.exists():
            continue
        for text in file.read_text(encoding="ascii", errors="replace").splitlines():
            try:
                line: dict[str, Any] = json.loads(text)
                search = LiveSearch(
                    direction(line["asked"], line["searched"]),
                    line["searched"],
                    int(line["k"]),
                    float(line["target"]),
                    Settings(**line["settings"]),
                    tuple((str(c), str(s)) for c, s in line["without"]),
                    tuple(map(float, line["embedding"])),
                )
                is_ours = line["bundle"] == bundle.digest and str(line["at"]) >= since
            except (ValueError, KeyError, TypeError):
                continue
            if is_ours and len(search.embedding) == bundle.dimension and search.k <= DEPTH:
                yield search


class Measurements:
    """The last measurements of a generation, in its ledger."""

    def __init__(self, ledger: Ledger, generation: str) -> None:
        self._ledger = ledger
        self._name = f"measured-{generation}"

    def keep(self, found: Sequence[Remeasured], when: str) -> None:
        """Put measurements in the place of the last ones."""
        record = self._ledger.read(self._name)
        value = {"measured": when, "searches": [asdict(one) for one in found]}
        self._ledger.write(self._name, value, record.version if record else None)

    def last(self) -> tuple[str, list[Remeasured]] | None:
        """When it was last measured, and what was found; None where it never was."""
        record = self._ledger.read(self._name)
        if record is None:
            return None
        found = [Remeasured(**one) for one in record.value["searches"]]
        return str(record.value["measured"]), found

    def drop(self) -> None:
        """Forget them."""
        self._ledger.delete(self._name)
