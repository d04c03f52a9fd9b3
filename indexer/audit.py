"""Audit: whether batch folders, log, documents and segments tell the same."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from indexer.captions import Captions
from indexer.changes import changes
from indexer.differences import differences
from indexer.rebuild import rebuild
from indexer.replay import Replay
from indexer.resume import is_begun
from indexer.source import Source
from scenestore.compaction import FORMAT as SEGMENT_FORMAT
from scenestore.entry import KINDS, Kind
from scenestore.errors import DamagedError, StoreError
from scenestore.generation import Generation
from scenestore.log import LoggedBatch
from sgpd import sealed

EXAMPLES = 5
"""Cases that a finding names."""
_PAGE = 10_000


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    fault: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class AuditReport:
    """What an audit found; `entries` and `scenes` are those that the log says are live."""

    batches: int
    entries: dict[Kind, int]
    scenes: int
    findings: tuple[Finding, ...]
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def audit(
    generation: Generation,
    sources: dict[str, tuple[Path, Captions]] | None = None,
    repair: bool = False,
) -> AuditReport:
    """Compare everything in key order, in bounded memory; every file with its digest.

    `sources`: folder and captions of collections to compare with as well. `repair` completes
    batches that the log lacks and projects the documents anew, then audits again; damaged folders
    it cannot bring back. Raises StoreError when there is no log.
    """
    if not is_begun(generation):
        raise StoreError(
            f"generation {generation.log.generation} has no log to compare with; "
            "run `scenesift rebuild`"
        )
    report = _Audit(generation).run(sources or {})
    damaged = any(finding.fault in (_DAMAGED, _GONE) for finding in report.findings)
    if not repair or report.clean or damaged:
        return report
    rebuild(generation)
    return _Audit(generation).run(sources or {})


_DAMAGED = "batch folders damaged"
_GONE = "batch folders missing"


class _Audit:
    """One pass over a generation."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}

    def run(self, sources: dict[str, tuple[Path, Captions]]) -> AuditReport:
        started = time.perf_counter()
        self._generation.documents.refresh()
        with Replay() as replay:
            batches = self._read_batches(replay)
            self._look_for_unfinished()
            entries: dict[Kind, int] = dict.fromkeys(KINDS, 0)
            scenes = 0
            if not self._counts[_DAMAGED] and not self._counts[_GONE]:
                # Else the truth itself has holes, and to compare with it would mislead.
                entries = {kind: self._compare_documents(replay, kind) for kind in KINDS}
                scenes = self._compare_scenes(replay)
                self._check_segments(replay)
        for collection, (folder, captions) in sources.items():
            self._compare_source(collection, Source(folder), captions)
        findings = tuple(
            Finding(fault, count, tuple(self._examples[fault]))
            for fault, count in self._counts.items()
            if count
        )
        return AuditReport(batches, entries, scenes, findings, time.perf_counter() - started)

    def _find(self, fault: str, example: object) -> None:
        self._counts[fault] += 1
        named = self._examples.setdefault(fault, [])
        if len(named) < EXAMPLES:
            named.append(str(example))

    def _read_batches(self, replay: Replay) -> int:
        """Check every folder that the log names, and replay what it holds."""
        count = 0
        for logged in self._generation.log.batches():
            count += 1
            try:
                batch = self._generation.batch(logged.ordinal)
                batch.verify()
                _compare_with_log(logged, batch.name, batch.rows)
            except DamagedError as error:
                exists = bool(self._generation.store.names(f"{logged.ordinal:08d}-"))
                self._find(_DAMAGED if exists else _GONE, error)
                continue
            replay.add(batch)
        return count

    def _look_for_unfinished(self) -> None:
        try:
            for batch in self._generation.unfinished():
                self._find("batches not in the log", batch.name)
        except DamagedError as error:
            self._find(_DAMAGED, error)

    def _compare_documents(self, replay: Replay, kind: Kind) -> int:
        count = 0

        def expected() -> Iterator[tuple[int, str]]:
            nonlocal count
            for entry in replay.live(kind):
                count += 1
                yield entry

        found = self._generation.documents.live(kind)
        for is_expected, (_, id) in differences(expected(), found):
            self._find(f"{kind} documents {'missing' if is_expected else 'without a batch'}", id)
        return count

    def _compare_scenes(self, replay: Replay) -> int:
        count = 0

        def expected() -> Iterator[tuple[str, str, str, str]]:
            nonlocal count
            for scene in replay.scenes():
                count += 1
                yield scene

        found = (
            (outcome.collection, outcome.scene, outcome.status, outcome.fingerprint)
            for outcome in self._generation.documents.outcomes(None)
        )
        for is_expected, (_, scene, *_) in differences(expected(), found):
            self._find(f"outcomes {'missing' if is_expected else 'without a batch'}", scene)
        return count

    def _check_segments(self, replay: Replay) -> None:
        """Every segment is as it was sealed, and every live vector is in one."""
        reader = self._generation.reader
        for segment in reader.head(fresh=True).segments:
            try:
                folder = self._generation.store.open(segment.folder)
                folder.verify(folder.manifest(SEGMENT_FORMAT)[0])
            except (sealed.SealError, DamagedError, OSError) as error:
                self._find("segments damaged", error)
        if self._counts["segments damaged"]:
            return
        for kind in KINDS:
            segments = reader.segments(kind)
            live = replay.live(kind)
            while page := list(islice(live, _PAGE)):
                cells = segments.cells_of(np.array([key for key, _ in page], np.int64))
                for place in np.flatnonzero(cells < 0).tolist():
                    self._find(f"{kind} vectors missing from the segments", page[place][1])

    def _compare_source(self, collection: str, source: Source, captions: Captions) -> None:
        outcomes = self._generation.documents.outcomes(collection)
        for change in changes(source.files(), outcomes, captions):
            if change.action in _SOURCE_FAULTS:
                self._find(_SOURCE_FAULTS[change.action], change.scene)


_SOURCE_FAULTS = {
    "new": "images not indexed",
    "changed": "images changed since they were indexed",
    "deleted": "scenes gone from the source",
}


def _compare_with_log(logged: LoggedBatch, folder: str, rows: dict[Kind, int]) -> None:
    if (folder, rows) != (logged.folder, dict(logged.rows)):
        raise DamagedError(f"batch {folder} is not the one that the log names, {logged.folder}")
