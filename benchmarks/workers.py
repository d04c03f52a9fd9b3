"""Images a second with two workers; baseline: two bare encoders, one torch thread each in both.

Then CPU milliseconds an entry of worker, planner and OpenSearch, and how 1 to 16 workers scale,
with an encoder that sleeps 10 ms an image and images that are not decoded: what is left is all that
is not the model. Real OpenSearch and Redis on this machine, which share its cores with the workers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.index import SAMPLE, linked
from benchmarks.registry import Options
from benchmarks.synthetic import clustered
from benchmarks.worker_process import STUB, STUB_SECONDS, Site
from deploy.local.node import LocalOpenSearch
from deploy.local.redis_server import LocalRedis
from indexer.distribute import distribute
from indexer.planner import PlannerSettings, Planning
from indexer.update import UpdateRequest
from scenesift.models import shipped_bundle
from sgpd.fit import fit

NAME = "workers"

_ROOT = Path(__file__).parents[1]
_COUNTS = (1, 2, 4, 8, 16)
_SECONDS = 25
"""That each count of stub workers would take if only the stub took time."""
_PARTS = ("worker", "planner", "OpenSearch")
_BATCH = 200
_PLANNER = PlannerSettings(scenes_per_batch=_BATCH)


def run(options: Options) -> dict[str, Any]:
    """Index with the bundled model and with the stub, each time into a new archive."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        LocalOpenSearch(Path(scratch) / "node", heap="1g") as node,
        LocalRedis(Path(scratch) / "redis") as redis,
    ):
        root = Path(scratch)
        site = Site(redis.url, node.url, str(root / "model"), "", stub=False, prefix="m")
        real = _with_model(replace(site, source=str(_images(root, options))), options)
        assert node.pid is not None
        stub = _with_stub(replace(site, home=str(root / "stub"), stub=True), root, node.pid)
    return {
        "figure": real["workers 2"],
        "baseline": real["bare 2"],
        "ratio": real["workers 2"] / real["bare 2"],
        "unit": "images a second",
        **real,
        **stub,
    }


def _images(root: Path, options: Options) -> Path:
    source = options.data / "eurosat_rgb" if options.data else SAMPLE
    return linked(source, root / "images", options.size or 3_000)


def _with_model(site: Site, options: Options) -> dict[str, float]:
    """Images a second of one and two bare encoders, and of one and two workers."""
    bundle = shipped_bundle()
    if bundle is None:
        raise SystemExit("workers: the bundle of the bundled model is not installed")
    bundle.save(Path(site.home) / "bundle")
    images = sum(1 for _ in Path(site.source).rglob("*") if _.is_file())
    rates: dict[str, list[float]] = {}
    for number in range(options.rounds):
        for count in (1, 2):
            bare = _bare(site, count)
            rates.setdefault(f"bare {count}", []).append(images * count / bare)
            took = _index(replace(site, prefix=f"m{number}-{count}"), count)["seconds"]
            rates.setdefault(f"workers {count}", []).append(images / took)
    return {name: sorted(found)[len(found) // 2] for name, found in rates.items()}


def _with_stub(site: Site, root: Path, node: int) -> dict[str, Any]:
    """Efficiency by count of workers, and CPU milliseconds an entry where they are one and all."""
    Path(site.home).mkdir()
    fit(clustered(20_000), STUB).save(Path(site.home) / "bundle")
    found: dict[str, Any] = {}
    for count in _COUNTS:
        images = int(_SECONDS / STUB_SECONDS) * count
        source = root / f"stub-{count}"
        _write_images(source, images)
        here = replace(site, source=str(source), prefix=f"s{count}")
        measured = _index(here, count, node)
        ideal = count / STUB_SECONDS
        rate = images / measured["seconds"]
        found[f"stub {count}: entries/s"] = rate
        found[f"stub {count}: efficiency"] = rate / ideal
        for part in _PARTS:
            found[f"stub {count}: CPU ms an entry, {part}"] = 1000 * measured[part] / images
    spent = sum(found[f"stub 1: CPU ms an entry, {part}"] for part in _PARTS)
    cores = os.cpu_count() or 1
    found["knee: workers of 10 ms that fill the cores"] = cores * (10 / spent)
    found["cores"] = cores
    return found


def _write_images(folder: Path, count: int) -> None:
    """Files that are named like images and told apart by what is in them."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06d}.png").write_bytes(b"%064d" % number)


def _index(site: Site, count: int, node: int | None = None) -> dict[str, float]:
    """Seconds of a run with so many workers, and CPU seconds of all that took part."""
    with _processes("worker", site, count) as started:
        ledger, generation = site.generation()
        generation.create()
        before = _cpu(started), time.process_time(), _cpu_of(node)
        began = time.perf_counter()
        summary = distribute(
            Planning(generation, ledger, site.plans(), site.queue(), _PLANNER),
            UpdateRequest(Path(site.source)),
            opening=nullcontext,
        )
        seconds = time.perf_counter() - began
        after = _cpu(started), time.process_time(), _cpu_of(node)
    if summary.failed:
        raise SystemExit(f"workers: {summary.failures[0]}")
    worker, planner, engine = (b - a for a, b in zip(before, after, strict=True))
    return {"seconds": seconds, "worker": worker, "planner": planner, "OpenSearch": engine}


def _bare(site: Site, count: int) -> float:
    """Seconds in which so many bare encoders each encode all images, side by side."""
    with _processes("bare", site, count) as started:
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        return max(float(json.loads(_line(process))["seconds"]) for process in started)


@contextmanager
def _processes(role: str, site: Site, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ready; gone afterwards."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker_process", role],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    try:
        for process in started:
            assert process.stdin is not None
            process.stdin.write(json.dumps(asdict(site)) + "\n")
            process.stdin.flush()
        for process in started:
            while _line(process) != "ready":
                pass
        for process in started if role == "worker" else ():
            threading.Thread(target=_drain, args=(process,), daemon=True).start()
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("workers: a process ended before its time")
    return line.strip()


def _drain(process: subprocess.Popen[str]) -> None:
    """Read what nobody needs, so that the pipe is never full."""
    assert process.stdout is not None
    for _ in process.stdout:
        pass


def _cpu(processes: Sequence[subprocess.Popen[str]]) -> float:
    """CPU seconds of processes and their children so far."""
    known = [psutil.Process(process.pid) for process in processes]
    family = [each for one in known for each in (one, *one.children(recursive=True))]
    return sum(each.cpu_times().user + each.cpu_times().system for each in family)


def _cpu_of(pid: int | None) -> float:
    if pid is None:
        return 0.0
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
