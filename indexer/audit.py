"""Audit: whether batch folders, log, documents and segments tell the same."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from indexer.captions import Captions
from indexer.changes import changes
from indexer.differences import differences
from indexer.progress import Meter, Progress
from indexer.rebuild import rebuild
from indexer.replay import Replay
from indexer.resume import is_begun
from indexer.source import Source
from scenestore.batch import Batch
from scenestore.compaction import remake
from scenestore.entry import KINDS, Kind
from scenestore.errors import DamagedError, StoreError
from scenestore.generation import Generation
from scenestore.keys import ordinals
from scenestore.log import LoggedBatch, LoggedSegment
from scenestore.segment import FORMAT
from scenestore.store import Folder
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
    """The first few."""
    remedy: str
    """What to do about it."""


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

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"clean": self.clean, **asdict(self)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> AuditReport:
        """The report that `to_json` wrote."""
        fields = {name: value[name] for name in cls.__dataclass_fields__}
        findings = (
            Finding(**{**finding, "examples": tuple(finding["examples"])})
            for finding in value["findings"]
        )
        return cls(**{**fields, "findings": tuple(findings)})


def audit(
    generation: Generation,
    sources: dict[str, tuple[Path, Captions]] | None = None,
    repair: bool = False,
    progress: Progress | None = None,
) -> AuditReport:
    """Compare everything in key order, in bounded memory; every file with its digest.

    `sources`: folder and captions of collections to compare with as well. `repair` completes
    batches that the log lacks, projects the documents anew, and makes compacted segments again from
    the batches that they cover, each where it differs, then audits again; damaged batch folders it
    cannot bring back. Raises StoreError when there is no log.
    """
    if not is_begun(generation):
        raise StoreError(
            f"generation {generation.log.generation} has no log to compare with; "
            "run `scenesift rebuild`"
        )
    first = _Audit(generation)
    report = first.run(sources or {}, progress)
    if not repair or not first.repair(report):
        return report
    return _Audit(generation).run(sources or {}, progress)


_DAMAGED = "batch folders damaged"
_GONE = "batch folders missing"
_UNLOGGED = "batches not in the log"
_SEGMENTS = "segments damaged"
_UNSEARCHED = "vectors missing from the segments"
_RESTORE = (
    "restore them from a backup, nothing here can make them again; without one, index the folders "
    "anew into another home"
)
_REPAIR = "run `scenesift audit --repair`"
_INDEX = "run `scenesift index` for the collection"


class _Audit:
    """One pass over a generation."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._segments: dict[str, LoggedSegment] = {}
        """Those to make again, by folder."""

    def repair(self, report: AuditReport) -> bool:
        """Make again what can be; returns whether anything was."""
        faults = {finding.fault for finding in report.findings}
        if faults & {_DAMAGED, _GONE}:
            return False
        projected = {fault for fault in faults if "documents" in fault or "outcomes" in fault}
        if projected or _UNLOGGED in faults:
            rebuild(self._generation)
        for segment in self._segments.values():
            remake(self._generation, segment)
        return bool(projected or _UNLOGGED in faults or self._segments)

    def run(
        self, sources: dict[str, tuple[Path, Captions]], progress: Progress | None = None
    ) -> AuditReport:
        started = time.perf_counter()
        self._generation.documents.refresh()
        self._generation.documents.outcome_counts()  # a lost index is said before files are read
        with Replay() as replay:
            batches = self._read_batches(replay, progress)
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
            Finding(fault, count, tuple(self._examples[fault]), _remedy(fault))
            for fault, count in self._counts.items()
            if count
        )
        return AuditReport(batches, entries, scenes, findings, time.perf_counter() - started)

    def _find(self, fault: str, example: object) -> None:
        self._counts[fault] += 1
        named = self._examples.setdefault(fault, [])
        if len(named) < EXAMPLES:
            named.append(str(example))

    def _read_batches(self, replay: Replay, progress: Progress | None) -> int:
        """Check every folder that the log names, and replay what it holds."""
        all_logged = list(self._generation.log.batches())
        meter = Meter(len(all_logged), progress)
        for logged in all_logged:
            meter.add(1)
            try:
                batch = self._generation.batch(logged.ordinal)
                batch.verify()
                self._compare_with_log(logged, batch)
            except DamagedError as error:
                exists = bool(self._generation.store.names(f"{logged.ordinal:08d}-"))
                self._find(_DAMAGED if exists else _GONE, error)
                continue
            replay.add(batch)
        return len(all_logged)

    def _compare_with_log(self, logged: LoggedBatch, batch: Batch) -> None:
        if (batch.name, batch.rows) != (logged.folder, dict(logged.rows)):
            raise DamagedError(
                f"batch {batch.name} is not the one that the log names, {logged.folder}"
            )
        ours = self._generation.bundle.digest
        if batch.bundle != ours:
            raise DamagedError(
                f"batch {batch.name} was made with bundle {batch.bundle}, not {ours}"
            )

    def _look_for_unfinished(self) -> None:
        try:
            for batch in self._generation.unfinished():
                self._find(_UNLOGGED, batch.name)
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
        compacted = reader.head(fresh=True).segments
        for segment in compacted:
            try:
                self._check_segment(self._generation.store.open(segment.folder))
            except (sealed.SealError, DamagedError, OSError) as error:
                self._find(_SEGMENTS, error)
                self._segments[segment.folder] = segment
        if self._segments:
            return
        covering = {ordinal: segment for segment in compacted for ordinal in segment.ordinals}
        for kind in KINDS:
            segments = reader.segments(kind)
            live = replay.live(kind)
            while page := list(islice(live, _PAGE)):
                keys = np.array([key for key, _ in page], np.int64)
                lost = np.flatnonzero(segments.cells_of(keys) < 0)
                for place, ordinal in zip(
                    lost.tolist(), ordinals(keys[lost]).tolist(), strict=True
                ):
                    self._find(f"{kind} {_UNSEARCHED}", page[place][1])
                    if ordinal in covering:
                        self._segments[covering[ordinal].folder] = covering[ordinal]

    def _check_segment(self, folder: Folder) -> None:
        manifest, _ = folder.manifest(FORMAT)
        folder.verify(manifest)
        ours = self._generation.bundle.digest
        if manifest.get("bundle", ours) != ours:
            raise DamagedError(f"{folder} was made with bundle {manifest['bundle']}, not {ours}")

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


def _remedy(fault: str) -> str:
    if fault in (_DAMAGED, _GONE):
        return _RESTORE
    return _INDEX if fault in _SOURCE_FAULTS.values() else _REPAIR
