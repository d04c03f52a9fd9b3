"""A disk that takes no more: one line that says so, and nothing lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.audit import audit
from tests.indexer.archive import TestArchive, save_captions

INDEX = """
import resource, sys
from pathlib import Path
from indexer.pipeline import PipelineSettings
from sgpd.errors import SceneSiftError
from tests.indexer.archive import TestArchive, fitted
assert fitted().digest  # writes files, which a bundle that was loaded need not
archive = TestArchive.embedded(Path(sys.argv[2]), Path(sys.argv[3]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
try:
    archive.index(settings=PipelineSettings())
except SceneSiftError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("largest_file", "first_to_fail"),
    [(200, "ledger.sqlite"), (110_000, "batch 4"), (250_000, "g1.sqlite")],
)
def test_a_full_disk_stops_the_run_and_loses_nothing(
    archive: TestArchive, tmp_path: Path, largest_file: int, first_to_fail: str
) -> None:
    captions = save_captions(tmp_path / "c.jsonl", {"00.jpg": ["a", "b"]})
    archive.index(captions=captions)
    before = archive.contents()
    texts = {"00.jpg": ["a", "b"]}
    for number in range(12):
        scene = f"more/{number:02d}.png"
        save_noise(archive.source / scene, number)  # thumbnails of 138 kB in all
        texts[scene] = ["harbor " * 5_000]  # 420 kB of documents, which Parquet packs
    save_captions(captions, texts)
    ran = subprocess.run(
        [sys.executable, "-c", INDEX, str(largest_file), tmp_path / "home", archive.source],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    (line,) = ran.stderr.splitlines()
    assert first_to_fail in line
    assert "make room" in line or "free space" in line

    again = TestArchive.embedded(tmp_path / "home", archive.source)
    assert {name: again.contents()[name] for name in before} == before
    again.index()
    fresh = TestArchive.embedded(tmp_path / "fresh", archive.source)
    fresh.index(captions=captions)
    assert again.contents() == fresh.contents()
    assert audit(again.generation).findings == ()


def save_noise(path: Path, seed: int) -> None:
    """Write an image that no JPEG makes small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
