"""Plan files: the scenes of a planned batch, for whichever worker takes it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from indexer.captions import SceneText
from indexer.changes import Change
from indexer.errors import RunError
from indexer.run import PlannedBatch
from indexer.source import SourceFile
from scenestore.entry import Metadata, SceneOutcome
from scenestore.errors import DamagedError

FORMAT = 1


class Blobs(Protocol):
    """What plan files need of a store."""

    def put(self, name: str, content: bytes) -> bool:
        """Write a blob, whole or not at all; False where the name is taken, and nothing changed."""

    def get(self, name: str) -> bytes | None:
        """The content of a blob; None where there is none."""

    def remove(self, name: str) -> None:
        """Remove a blob; nothing happens when there is none."""


class Plans:
    """The plan files of all runs; one lies in the store from planning until its batch is done."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def write(self, batch: PlannedBatch, changes: Sequence[Change]) -> None:
        """Write a batch's plan, over what a planner that died left of it."""
        content = json.dumps({"format": FORMAT, "scenes": [_plain(one) for one in changes]})
        packed = gzip.compress(content.encode(), mtime=0)
        if not self._blobs.put(batch.name, packed):
            self._blobs.remove(batch.name)
            self._blobs.put(batch.name, packed)

    def read(self, batch: PlannedBatch, source: Path) -> list[Change]:
        """The changes of a batch, their files below `source`.

        Raises DamagedError where the plan is gone, RunError where it is of another version.
        """
        packed = self._blobs.get(batch.name)
        if packed is None:
            raise DamagedError(f"the plan of batch {batch.name} is gone from the store")
        try:
            value = json.loads(gzip.decompress(packed))
            found = value["format"]
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"the plan of batch {batch.name} cannot be read") from error
        if found != FORMAT:
            raise RunError(
                f"the plan of batch {batch.name} has format {found}, this version works with "
                f"{FORMAT}; use the same version of SceneSift for planner and workers"
            )
        return [_change(scene, source) for scene in value["scenes"]]

    def remove(self, batch: PlannedBatch) -> None:
        """Remove a batch's plan."""
        self._blobs.remove(batch.name)


def _plain(change: Change) -> dict[str, Any]:
    """A change as JSON; what is empty is left out."""
    file, text = change.file, change.text
    fields = {
        "scene": change.scene,
        "action": change.action,
        "file": [file.stat, file.fault] if file else None,
        "before": asdict(change.before) if change.before else None,
        "captions": text.captions,
        "metadata": asdict(text.metadata) if text.metadata != Metadata() else None,
        "split": text.split,
        "fault": text.fault,
    }
    return {name: value for name, value in fields.items() if value}


def _change(plain: Mapping[str, Any], source: Path) -> Change:
    scene, file, before = plain["scene"], plain.get("file"), plain.get("before")
    metadata = plain.get("metadata")
    return Change(
        scene,
        plain["action"],
        SourceFile(scene, source / scene, *file) if file else None,
        SceneOutcome(**before) if before else None,
        SceneText(
            tuple(plain.get("captions", ())),
            Metadata(**metadata) if metadata else Metadata(),
            plain.get("split"),
            plain.get("fault"),
        ),
    )
