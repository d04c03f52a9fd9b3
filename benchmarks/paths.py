"""Paths: ways of searching from cheap to thorough, and what each finds and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Path:
    """P settings tried on m queries."""

    settings: Sequence[Any]
    """P names of settings, for reports."""
    recall: NDArray[np.float32]
    """Shape [P, m]: share of the exhaustive top k that was scored."""
    by_image: NDArray[np.float32]
    """Shape [P, m]: the same of the best chips of the k best images, siblings counted once."""
    scored: NDArray[np.float32]
    """Shape [P, m]: vectors scored."""

    @classmethod
    def join(cls, paths: Sequence[Path]) -> Path:
        """All settings of several paths over the same queries."""
        return cls(
            [setting for path in paths for setting in path.settings],
            np.concatenate([path.recall for path in paths]),
            np.concatenate([path.by_image for path in paths]),
            np.concatenate([path.scored for path in paths]),
        )

    def cheapest(self, target: float) -> int | None:
        """The setting that scores least among those whose mean recall reaches the target."""
        good = np.flatnonzero(self.recall.mean(axis=1) >= target)
        return int(good[self.scored[good].mean(axis=1).argmin()]) if len(good) else None

    def measured(self, setting: int | None, entries: int) -> dict[str, Any]:
        """What a setting gave: mean recalls, and percent of the entries scored.

        Without a setting everything is scored.
        """
        if setting is None:
            return {"scored": 100.0, "recall": 1.0, "by_image": 1.0, "setting": "exhaustive"}
        return {
            "scored": 100 * float(self.scored[setting].mean()) / entries,
            "recall": float(self.recall[setting].mean()),
            "by_image": float(self.by_image[setting].mean()),
            "setting": self.settings[setting],
        }

    def curve(self, entries: int) -> list[tuple[float, float]]:
        """Percent scored and mean recall of the settings that none beats in both."""
        scored, recall = 100 * self.scored.mean(axis=1) / entries, self.recall.mean(axis=1)
        points, best = [], -1.0
        for i in np.lexsort((-recall, scored)).tolist():
            if recall[i] > best:
                best = float(recall[i])
                points.append((round(float(scored[i]), 5), round(best, 5)))
        return points
