"""What an operator watches of an archive: its facts as metrics, and whether it can be searched."""

from __future__ import annotations

import datetime
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import Metric

from indexer.runs import Runs, every_batch
from query_service.facts import gauge
from query_service.readiness import Check
from scenesift.calibrating import doubts, measured
from scenesift.keys import Keys
from scenesift.reader import ArchiveReader
from scenesift.stores import cache_of
from scenestore.entry import KINDS
from scenestore.filters import ANY
from scenestore.generation import Generation
from sgpd.errors import SceneSiftError

_MOST_BATCHES = 10_000
"""Of runs with more, states are not counted: that reads a document a batch."""

log = logging.getLogger("scenesift.watched")


def checks(reader: ArchiveReader) -> dict[str, Check]:
    """What must work for searches to, by name."""
    found: dict[str, Check] = {
        "engine": lambda: _answers(reader),
        "generation": lambda: _opens(reader),
        "model": lambda: _loads(reader),
    }
    cache = cache_of(reader.home.store)
    if cache is not None:
        found["cache"] = lambda: _takes_files(cache.folder)
    if reader.settings.serve_keys != "off":
        found["keys"] = lambda: _has_keys(reader)
    return found


def _answers(reader: ArchiveReader) -> None:
    reader.engine.ledger.read("head")


def _opens(reader: ArchiveReader) -> None:
    with reader.pins.held() as pin:
        for kind in KINDS:
            pin.generation.reader.segments(kind)


def _loads(reader: ArchiveReader) -> None:
    with reader.pins.held() as pin:
        pin.generation.bundle.check_encoder(reader.encoder_of(pin.name).identity)


def _takes_files(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        raise SceneSiftError(
            f"the cache {folder} cannot be written: {error.strerror}; make room or permit writing"
        ) from error


def _has_keys(reader: ArchiveReader) -> None:
    if not Keys(reader.home).load():
        raise SceneSiftError("there is no key; run `scenesift key create NAME`")


def facts(reader: ArchiveReader) -> Iterator[Metric]:
    """All that is known of the archive; a part that cannot be read is left out, and said so."""
    parts: dict[str, Callable[[ArchiveReader], Iterator[Metric]]] = {
        "archive": _archive,
        "calibration": _calibration,
        "runs": _runs,
    }
    if reader.settings.redis_url:
        parts["queue"] = _queue
    known: list[tuple[tuple[str, ...], float]] = []
    for part, read in parts.items():
        try:
            yield from list(read(reader))
            known.append(((part,), 1.0))
        except SceneSiftError as error:
            log.warning("%s: %s", part, error)
            known.append(((part,), 0.0))
    yield gauge("facts_known", "Whether a part of the facts could be read.", known, ("part",))


def _archive(reader: ArchiveReader) -> Iterator[Metric]:
    with reader.pins.held() as pin:
        generation = pin.generation
        documents, head = generation.documents, generation.reader.head()
        info = (pin.name, generation.bundle.digest[:16], reader.engine.name)
        yield gauge(
            "generation_info",
            "The generation that is live, always 1.",
            [(info, 1.0)],
            ("generation", "bundle", "engine"),
        )
        yield gauge(
            "entries",
            "Live entries.",
            [((kind,), documents.count(kind, ANY)) for kind in KINDS],
            ("kind",),
        )
        outcomes = {"indexed": 0, "skipped": 0, "failed": 0, **documents.outcome_counts()}
        yield gauge(
            "scenes",
            "Scenes by what became of them.",
            [((outcome,), count) for outcome, count in outcomes.items()],
            ("outcome",),
        )
        segments = len(head.segments) + len(head.live_batches())
        yield gauge("segments", "Segments that a search reads.", [((), segments)])
    cache = cache_of(reader.home.store)
    if cache is not None:
        yield gauge("shard_cache_bytes", "Bytes in the cache.", [((), cache.bytes)])
        yield gauge("shard_cache_most_bytes", "Bytes that it may hold.", [((), cache.most)])


def _calibration(reader: ArchiveReader) -> Iterator[Metric]:
    with reader.pins.held() as pin:
        generation = pin.generation
        calibration = generation.calibration()
        if calibration is not None:
            kinds = [kind for kind in KINDS if kind in calibration.entries]
            segments = {kind: generation.reader.segments(kind) for kind in kinds}
            yield gauge(
                "calibration_timestamp_seconds",
                "When the calibration in force was made.",
                [((), _timestamp(calibration.made))],
            )
            yield gauge(
                "calibration_growth",
                "Entries now, by entries then.",
                [((kind,), calibration.growth(kind, len(segments[kind]))) for kind in kinds],
                ("kind",),
            )
            yield gauge(
                "calibration_shift",
                "Share of the entries that lie in other cells than then.",
                [((kind,), calibration.shift(kind, segments[kind].counts)) for kind in kinds],
                ("kind",),
            )
        reasons = doubts(generation, calibration) if calibration else ()
        is_calibrated = float(calibration is not None)
        yield gauge("calibrated", "Whether there is a calibration.", [((), is_calibrated)])
        yield gauge("calibration_doubts", "Reasons not to trust it.", [((), len(reasons))])
        yield from _measured(generation)


def _measured(generation: Generation) -> Iterator[Metric]:
    """What `scenesift calibrate --replay` found of live searches."""
    last = measured(generation)
    if last is None:
        return
    when, found = last
    labels = ("direction", "k", "target")
    asked = [((one.direction, str(one.k), f"{one.target:g}"), one) for one in found]
    yield gauge(
        "measured_timestamp_seconds",
        "When live searches were last replayed.",
        [((), _timestamp(when))],
    )
    for name, what, value in (
        ("measured_recall", "Recall of replayed live searches.", "recall"),
        ("measured_recall_high", "Upper end of its 95 % interval.", "high"),
        ("measured_recall_target", "The recall that they asked for.", "target"),
        ("measured_searches", "Live searches replayed.", "searches"),
    ):
        yield gauge(name, what, [(key, getattr(one, value)) for key, one in asked], labels)


def _runs(reader: ArchiveReader) -> Iterator[Metric]:
    runs = Runs(reader.engine.ledger)
    states = Counter(dict.fromkeys(("planned", "claimed", "done", "split", "dead"), 0))
    scenes = Counter[str]()
    open_runs = [kept.value for id in runs.open().values() if (kept := runs.read(id))]
    for run in open_runs:
        if run.batches <= _MOST_BATCHES:
            states.update(kept.value.state for kept in every_batch(runs, run))
        scenes["done"] += run.tally.scenes
        scenes["planned"] += run.scenes
    yield gauge("runs_open", "Distributed runs that are open.", [((), len(open_runs))])
    yield gauge(
        "run_batches",
        "Batches of open runs by their state in the ledger.",
        [((state,), count) for state, count in states.items()],
        ("state",),
    )
    yield gauge(
        "run_scenes",
        "Scenes of open runs: all of them, and those done.",
        [((state,), scenes[state]) for state in ("planned", "done")],
        ("state",),
    )


def _queue(reader: ArchiveReader) -> Iterator[Metric]:
    from workers.app import QUEUES
    from workers.broker import lengths

    assert reader.settings.redis_url is not None
    found = lengths(reader.settings.redis_url, reader.settings.opensearch_prefix, QUEUES)
    yield gauge(
        "queue_messages",
        "Messages that no worker has taken.",
        [((queue,), count) for queue, count in found.items()],
        ("queue",),
    )


def _timestamp(iso: str) -> float:
    return datetime.datetime.fromisoformat(iso).timestamp()
