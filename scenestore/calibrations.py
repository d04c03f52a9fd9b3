"""Calibrations of a generation: sealed folders, of which the ledger names the one in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from scenestore.errors import DamagedError, StoreError
from scenestore.ports import Ledger, Record
from scenestore.shared import Shared
from scenestore.store import Store
from sgpd import sealed
from sgpd.arrays import load_array
from sgpd.calibration import Calibration
from sgpd.cells import CellStatistics

FORMAT = 1
_FILE = "calibration.json"


class Calibrations:
    """Keeps calibrations beside the batches; readers follow within FOLLOW_SECONDS."""

    def __init__(self, ledger: Ledger, store: Store, generation: str) -> None:
        """`store` holds them, for all generations."""
        self._ledger = ledger
        self._store = store.under(generation)
        self.name = f"calibration-{generation}"
        """Of the document in the ledger that names the one in force."""
        self._current = Shared(lambda: self._named(ledger.read(self.name)))
        self.fault: str | None = None
        """What is wrong with the calibration in force, in a line; None when nothing is."""

    def current(self, fresh: bool = False) -> Calibration | None:
        """The calibration in force, read at most FOLLOW_SECONDS ago (or now); None without one.

        One that is not as it was sealed counts as none, and `fault` says so: searches go on.
        """
        known = self._current.now() if fresh else self._current.current()
        return known[1] if known else None

    def remember(self, record: Record | None) -> None:
        """Take over what the ledger was just found to say."""
        self._current.keep(self._named(record))

    def _named(self, record: Record | None) -> tuple[str, Calibration] | None:
        self.fault = None
        if record is None:
            return None
        folder, digest = record.value["folder"], record.value["digest"]
        known = self._current.known
        if known is not None and known[0] == digest:
            return known
        try:
            return digest, self._open(self._store.open(folder).whole(), digest)
        except DamagedError as error:
            self.fault = str(error)
            return None

    def replace(self, calibration: Calibration) -> Calibration:
        """Put a calibration in force with the next version; the one before last is removed."""
        record = self._ledger.read(self.name)
        version = int(record.value["version"]) + 1 if record else 1
        with self._store.draft() as draft:
            try:
                (draft / _FILE).write_text(json.dumps(calibration.to_json()))
                for kind, statistics in calibration.statistics.items():
                    for part in CellStatistics.ARRAYS:
                        np.save(draft / f"{kind}.{part}.npy", getattr(statistics, part))
                digest = sealed.seal(draft, {"format": FORMAT, "bundle": calibration.bundle})
            except OSError as error:
                raise StoreError(
                    f"{self._store} cannot be written ({error.strerror}); free some space"
                ) from error
            name = f"{version:06d}-{digest[:12]}"
            self._store.publish(draft, name)
        value: dict[str, Any] = {"folder": name, "digest": digest, "version": version}
        self._ledger.write(self.name, value, record.version if record else None)
        before = record.value["folder"] if record else None
        for old in self._store.names():
            if old not in (name, before):  # readers may still open the one before
                self._store.remove(old)
        self._current.keep((digest, calibration))
        return calibration

    def drop(self) -> None:
        """Forget the generation's calibrations."""
        self._ledger.delete(self.name)
        self._store.clear()
        self._current.forget()

    @staticmethod
    def _open(folder: Path, digest: str) -> Calibration:
        try:
            manifest, found = sealed.read_manifest(folder, FORMAT)
            sealed.verify(folder, manifest)
            if found != digest:
                raise sealed.SealError(f"{folder}: is not the calibration that the ledger names")
            value = json.loads((folder / _FILE).read_text())
            statistics = {
                kind: CellStatistics(
                    *(load_array(folder / f"{kind}.{part}.npy") for part in CellStatistics.ARRAYS)
                )
                for kind in value["entries"]
            }
            return Calibration.from_json(value, statistics)
        except (sealed.SealError, OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"{error}; run `scenesift calibrate` again") from error
