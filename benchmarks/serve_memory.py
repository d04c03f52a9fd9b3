"""MiB of private memory that a serving process takes at 1,000,000 entries, encoder excluded.

Baseline: a process that has imported the same and loaded the model. Both have encoded the same
texts. Private is what is dirty (smaps): pages of mapped files can be dropped, and are told beside.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import archives
from benchmarks.registry import Options
from benchmarks.served import Client, serving, text_search
from benchmarks.synthetic import clustered
from deploy.local.node import LocalOpenSearch
from scenesift.archive import Archive
from scenesift.models import load_encoder
from scenesift.settings import load_settings
from sgpd.fit import fit

NAME = "serve-memory"
_FITTED_ON = 300_000
_HEAP = "3g"
_TEXTS = [f"a {what} near a {where}" for what in ("pier", "road", "field") for where in range(100)]


def run(options: Options) -> dict[str, Any]:
    """Index synthetic chips, serve them, ask, and look at the process."""
    count = options.size or 1_000_000
    identity = load_encoder(load_settings(threads=1)).identity
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalOpenSearch(Path(scratch) / "node", heap=_HEAP) as node,
        Archive(Path(scratch) / "home", opensearch_url=[node.url]) as archive,
    ):
        vectors = clustered(count)
        archive.home.keep_bundle(fit(vectors[:_FITTED_ON], identity, progress=_report))
        with archive.writing():
            archive.begin()
            archives.fill(archive.generation, count, batch=10_000)
        with serving(archive, node.url, workers=1) as (url, process):
            client = Client(url)
            for text in _TEXTS:
                client.post("/search", text_search(text))
            served = memory(process)
    bare = _in_a_process_of_its_own()
    return {
        "figure": served["private"] - bare["private"],
        "baseline": bare["private"],
        "ratio": served["private"] / bare["private"],
        "unit": "MiB",
        "aim": 100,
        "entries": count,
        "served": served,
        "bare": bare,
    }


def memory(process: int | str) -> dict[str, float]:
    """MiB of a process: private, and of mapped files."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    sizes = {
        name: int(rest.split()[0]) / 1024 for name, _, rest in (x.partition(":") for x in lines[1:])
    }
    return {
        "private": sizes["Private_Dirty"],
        "mapped": sizes["Private_Clean"] + sizes["Shared_Clean"],
    }


def _in_a_process_of_its_own() -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.serve_memory"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _bare() -> dict[str, float]:
    """What is there before an archive is opened."""
    from scenesift.serve import create_app

    settings = load_settings(threads=1)
    app = create_app(settings)
    encoder = load_encoder(settings)
    for text in _TEXTS:
        encoder.encode_texts([text])
    assert app.routes
    return memory("self")


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    print(json.dumps(_bare()))
