"""Maintenance that workers do, and this process waits for."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from indexer.audit import AuditReport
from indexer.calibration.job import TARGETS
from indexer.chore import Chore, Chores, What
from indexer.collection import DEFAULT
from indexer.commission import commission
from indexer.progress import Progress
from indexer.source import Source
from scenesift.archive import Archive
from scenesift.distributed import open_queue
from scenesift.options import QUERIES
from sgpd.calibration import Calibration
from sgpd.say import Say, silent


def calibrate_with_workers(
    archive: Archive,
    *,
    queries: Path | None = None,
    targets: Sequence[float] | None = None,
    count: int = QUERIES,
    say: Say = silent,
) -> Calibration:
    """Let a worker calibrate, as `Archive.calibrate` does; it must see the file of queries."""
    options = {
        "queries": str(queries.resolve()) if queries else None,
        "targets": list(targets or TARGETS),
        "count": count,
    }
    _commission(archive, "calibrate", options, say, None)
    calibrations = archive.generation.calibrations
    made = calibrations.current(fresh=True) if calibrations else None
    assert made is not None, "the worker put it in force"
    return made


def audit_with_workers(
    archive: Archive,
    *,
    source: Path | None = None,
    collection: str = DEFAULT,
    repair: bool = False,
    progress: Progress | None = None,
    say: Say = silent,
) -> AuditReport:
    """Let a worker audit, as `Archive.audit` does; it must see the folder."""
    captions = archive.captions_file(source, collection) if source else None
    options = {
        "source": str(Source(source).folder) if source else None,
        "collection": collection,
        "captions": str(captions.resolve()) if captions else None,
        "repair": repair,
    }
    return AuditReport.from_json(_commission(archive, "audit", options, say, progress).report)


def _commission(
    archive: Archive,
    what: What,
    options: Mapping[str, Any],
    say: Say,
    progress: Progress | None,
) -> Chore:
    with open_queue(archive.settings) as queue:
        chore = Chore(
            id=secrets.token_hex(6),
            what=what,
            generation=archive.generation.log.generation,
            options=options,
            stall_seconds=archive.settings.stall_seconds,
        )
        chores = Chores(archive.engine.ledger)
        return commission(chores, queue, chore, say=say, progress=progress)
