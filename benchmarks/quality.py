"""R@k and recall@10 of SGPD beside dense: UCM validation images among all of EuroSAT.

Needs --data, the folder with `ucm_captions`, `eurosat_rgb` and `rsicd_captions_text_only.jsonl`.
The archive is calibrated on RSICD's texts and UC Merced's training images. The validation images
and captions were seen neither by the bundled model nor by the shipped codebook; EuroSAT's were.
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
_TEXTS = 2_000


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
            *("--queries", str(_queries(data, Path(home)))),
        ]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _queries(data: Path, folder: Path) -> Path:
    """A file of queries to calibrate on; one text of each RSICD image."""
    texts = (data / "rsicd_captions_text_only.jsonl").read_text().splitlines()[:_TEXTS]
    rows = (data / "ucm_captions" / "captions.jsonl").read_text().splitlines()
    lines: list[dict[str, str]] = [{"text": json.loads(line)["captions"][0]} for line in texts]
    lines += [
        {"image": str((data / "ucm_captions" / row["image"]).resolve())}
        for row in map(json.loads, rows)
        if row["split"] == "train"
    ]
    file = folder / "queries.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def _losses(report: dict[str, Any]) -> float:
    """The most that an R@k of SGPD lies below that of dense, in points."""
    losses: list[float] = [
        report["dense"][way][cut] - report["sgpd"][way][cut]
        for way in ("text_to_image", "image_to_text")
        for cut in ("r1", "r5", "r10")
    ]
    return max(losses)
