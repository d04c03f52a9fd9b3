"""Changes: how the scenes of a source differ from what the archive knows of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from indexer.captions import Captions, SceneText
from indexer.source import SourceFile
from scenestore.entry import SceneOutcome, Status

Action = Literal["new", "changed", "unchanged", "settled", "deleted"]
"""settled: failed or left out before, and nothing has changed since."""

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Change:
    """A scene as it is in the source, as the archive knows it, and what follows."""

    scene: str
    action: Action
    file: SourceFile | None
    """None when it is gone from the source."""
    before: SceneOutcome | None
    text: SceneText


def changes(
    files: Iterable[SourceFile],
    outcomes: Iterable[SceneOutcome],
    captions: Captions,
    retry: Collection[Status] = (),
) -> Iterator[Change]:
    """Every scene of the source or the archive; files and outcomes must be ordered by scene.

    A file whose size and time are as before is taken as unchanged. `retry`: failed to try again
    what failed, skipped to bring back what was deleted on request.
    """
    for scene, file, before in _merged(files, outcomes):
        text = captions.of(scene)
        yield Change(scene, _action(file, before, text, retry), file, before, text)


@dataclass(frozen=True)
class Survey:
    """What an update will find to do."""

    counts: Counter[Action]
    captioned: int
    """Captions that the archive holds."""
    staying: int
    """Of these, captions of images that are still in the source."""
    unmatched: int
    """Images that captions name and the source lacks."""
    unmatched_examples: tuple[str, ...]

    @classmethod
    def of(cls, found: Iterable[Change], captions: Captions) -> Survey:
        """Count changes; memory grows with the captions alone."""
        counts: Counter[Action] = Counter()
        captioned = staying = 0
        missing = set(captions.scenes)
        for change in found:
            counts[change.action] += 1
            held = change.before.captions if change.before else 0
            captioned += held
            if change.file is not None:
                staying += held
                missing.discard(change.scene)
        return cls(counts, captioned, staying, len(missing), tuple(sorted(missing)[:_EXAMPLES]))

    @property
    def work(self) -> int:
        """Scenes that something has to be done for."""
        return self.counts["new"] + self.counts["changed"] + self.counts["deleted"]

    @property
    def images(self) -> int:
        """Images in the source."""
        return self.counts.total() - self.counts["deleted"]

    @property
    def known(self) -> int:
        """Scenes that the archive knows."""
        return self.counts.total() - self.counts["new"]


def fingerprint(content: bytes | None, text: SceneText) -> str:
    """What a scene was made of: digests of the file (empty when not read) and of its text."""
    digest = hashlib.sha256(content).hexdigest()[:32] if content is not None else ""
    return f"{digest}-{text.digest}"


def _action(
    file: SourceFile | None,
    before: SceneOutcome | None,
    text: SceneText,
    retry: Collection[Status],
) -> Action:
    if file is None:
        return "deleted"
    if before is None:
        return "new"
    if before.status == "skipped" and "skipped" not in retry:
        return "settled"
    same_file = file.stat and file.stat == before.stat
    same_text = before.fingerprint.endswith(f"-{text.digest}")
    if not (same_file and same_text) or before.status in retry:
        return "changed"
    return "unchanged" if before.status == "indexed" else "settled"


_Merged = tuple[str, SourceFile | None, SceneOutcome | None]


def _merged(files: Iterable[SourceFile], outcomes: Iterable[SceneOutcome]) -> Iterator[_Merged]:
    """Two ordered streams as one, by scene."""
    here, there = iter(files), iter(outcomes)
    file, outcome = next(here, None), next(there, None)
    while file or outcome:
        scene = min(item.scene for item in (file, outcome) if item)
        matching_file = file if file and file.scene == scene else None
        matching_outcome = outcome if outcome and outcome.scene == scene else None
        yield scene, matching_file, matching_outcome
        file = next(here, None) if matching_file else file
        outcome = next(there, None) if matching_outcome else outcome
