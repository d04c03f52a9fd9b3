"""Entries a second that an audit compares, embedded, 300,000 entries; baseline: bare SHA-256.

The baseline reads every file of the archive once and digests it, which an audit does too. Rebuild
and bringing over into another generation are measured beside it. Memory is the most that a process
of its own ever holds at once, and what that is above the same process before it begins.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import archives
from benchmarks.registry import Options
from indexer.audit import audit
from indexer.rebuild import rebuild
from indexer.recode import Recoding
from indexer.succession import Succession
from scenestore.embedded.documents import EmbeddedDocuments
from scenestore.embedded.ledger import EmbeddedLedger
from scenestore.generation import Generation
from scenestore.local_store import LocalStore
from scenestore.log import Log
from scenestore.reader import SegmentReader

NAME = "audit"


def run(options: Options) -> dict[str, Any]:
    """Audit, rebuild and bring over the same archive, each in a process of its own."""
    count = options.size or 300_000
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        archives.make_bundle(home, count)
        generation = archives.embedded(home)
        archives.fill(generation, count)
        generation.documents.close()
        measured = {name: _measured(home, name) for name in _JOBS}
    rates = {name: count / one["seconds"] for name, one in measured.items()}
    return {
        "figure": rates["audit"],
        "baseline": rates["digests"],
        "ratio": rates["audit"] / rates["digests"],
        "unit": "entries a second",
        "entries": count,
        "rebuild": rates["rebuild"],
        "succession": rates["succession"],
        **{f"{name}_peak_mib": one["peak_mib"] for name, one in measured.items()},
        **{f"{name}_added_mib": one["added_mib"] for name, one in measured.items()},
    }


def _measured(home: Path, job: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.audit", str(home), job]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _measure(home: Path, job: str) -> dict[str, float]:
    before = _peak_mib()
    started = time.perf_counter()
    _JOBS[job](home)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mib": _peak_mib(), "added_mib": _peak_mib() - before}


def _peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _digests(home: Path) -> None:
    for path in (home / "batches").rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                hashlib.file_digest(file, "sha256")


def _audit(home: Path) -> None:
    report = audit(archives.embedded(home))
    if not report.clean:
        raise SystemExit(f"audit: {report.findings[0]}")


def _rebuild(home: Path) -> None:
    rebuild(archives.embedded(home))


def _succession(home: Path) -> None:
    old = archives.embedded(home)
    log = Log(EmbeddedLedger(home / "ledger.sqlite"), "g2")
    reader = SegmentReader(old.bundle, log, LocalStore(home / "g2"))
    new = Generation(reader, EmbeddedDocuments(home / "g2.sqlite", reader))
    with Succession(old, new, Recoding(old, new)) as succession:
        succession.carry()
        succession.check()


_JOBS: dict[str, Callable[[Path], None]] = {
    "digests": _digests,
    "audit": _audit,
    "rebuild": _rebuild,
    "succession": _succession,
}


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), sys.argv[2])))
