"""R@k and recall@10 of SGPD beside dense: UCM validation images among all of EuroSAT.

Needs --data, the folder with `ucm_captions` and `eurosat_rgb`. The validation images and captions
were seen neither by the bundled model nor by the shipped codebook; the EuroSAT images were.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.registry import Options

NAME = "quality"
RECALLS = ("0.95", "0.99")


def run(options: Options) -> dict[str, Any]:
    """Evaluate guided search at each recall target; figure and baseline are mean recalls (mR)."""
    if options.data is None:
        raise SystemExit("quality: give --data, the folder with ucm_captions and eurosat_rgb")
    reports = {recall: _evaluate(options.data, recall) for recall in RECALLS}
    best = reports[RECALLS[-1]]
    figure, baseline = best["sgpd"]["mean_recall"], best["dense"]["mean_recall"]
    return {
        "figure": figure,
        "baseline": baseline,
        "ratio": figure / baseline,
        "unit": "mR, percent",
        "worst_loss": max(_losses(report) for report in reports.values()),
        "reports": reports,
    }


def _evaluate(data: Path, recall: str) -> dict[str, Any]:
    """What `scenesift evaluate --json` prints, in a home of its own."""
    with tempfile.TemporaryDirectory() as home:
        command = [
            *(sys.executable, "-m", "scenesift", "evaluate", str(data / "ucm_captions")),
            *("--captions", str(data / "ucm_captions" / "captions.jsonl"), "--split", "val"),
            *("--distractors", str(data / "eurosat_rgb"), "--home", home),
            *("--recall", recall, "--strategy", "guided", "--json"),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _losses(report: dict[str, Any]) -> float:
    """The most that an R@k of SGPD lies below that of dense, in points."""
    losses: list[float] = [
        report["dense"][way][cut] - report["sgpd"][way][cut]
        for way in ("text_to_image", "image_to_text")
        for cut in ("r1", "r5", "r10")
    ]
    return max(losses)
