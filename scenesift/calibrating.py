"""Calibrating an archive, and what is known afterwards: its promises, their age, what was found."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexer.calibration.replayed import Measurements, Remeasured, remeasure
from query_service.planner import STALE_GROWTH
from scenestore.entry import KINDS
from scenestore.generation import Generation
from sgpd.calibration import LEAST_QUERIES, Calibration

STALE_SHIFT = 0.2
"""Share of the vectors in other cells than at the calibration, from which it is doubted."""


def remeasure_generation(generation: Generation, files: Sequence[Path]) -> list[Remeasured]:
    """Measure sampled searches with the settings in force, and keep the result."""
    found = remeasure(generation, files)
    if not found:
        return found
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _measurements(generation).keep(found, now)
    return found


def measured(generation: Generation) -> tuple[str, list[Remeasured]] | None:
    """When live searches were last measured, and what was found; None where they never were."""
    return _measurements(generation).last()


def _measurements(generation: Generation) -> Measurements:
    return Measurements(generation.log.ledger, generation.log.generation)


def known_promises(generation: Generation) -> dict[str, Any] | str:
    """What `info` says of the calibration, and what speaks against it."""
    calibration = generation.calibration()
    if generation.calibrations and generation.calibrations.fault:
        return generation.calibrations.fault
    if calibration is None:
        return "none; run `scenesift calibrate`"
    kinds = [kind for kind in KINDS if kind in calibration.entries]
    return {
        "made": calibration.made,
        "growth": {
            kind: round(calibration.growth(kind, len(generation.reader.segments(kind))), 3)
            for kind in kinds
        },
        "shift": {
            kind: round(calibration.shift(kind, generation.reader.segments(kind).counts), 3)
            for kind in kinds
        },
        "filters": _filters(calibration),
        "doubts": doubts(generation, calibration),
    }


def _filters(calibration: Calibration) -> dict[str, str]:
    """Kinds of filters with a promise, by direction."""
    kinds: dict[str, set[str]] = {}
    for promise in calibration.promises:
        if promise.case.filter and promise.is_given:
            kinds.setdefault(promise.case.direction, set()).add(promise.case.filter)
    return {way: ", ".join(sorted(found)) for way, found in kinds.items()}


def known_searches(generation: Generation) -> dict[str, Any] | str:
    """What `info` says of live searches."""
    last = measured(generation)
    if last is None:
        return "not measured; run `scenesift calibrate --replay`"
    when, found = last
    recalls = {f"{one.direction} {one.k} {one.target:g}": round(one.recall, 4) for one in found}
    return {"measured": when, "recall": recalls}


def doubts(generation: Generation, calibration: Calibration) -> list[str]:
    """Reasons not to trust a calibration, each a line that says what to do."""
    found = []
    if calibration.bundle != generation.bundle.digest:
        found.append("it is of another bundle; run `scenesift calibrate`")
    for kind in (kind for kind in KINDS if kind in calibration.entries):
        grown = calibration.growth(kind, len(generation.reader.segments(kind)))
        if grown > STALE_GROWTH:
            found.append(f"{kind}s have grown {grown:.1f}-fold since; run `scenesift calibrate`")
        moved = calibration.shift(kind, generation.reader.segments(kind).counts)
        if moved > STALE_SHIFT:
            found.append(
                f"{100 * moved:.0f} % of the {kind}s lie in other cells than then; run "
                "`scenesift calibrate`, and `scenesift fit` and `rebuild` if that gets slow"
            )
    last = measured(generation)
    for one in last[1] if last and last[0] >= calibration.made else ():
        if not one.is_kept:
            found.append(
                f"{one.direction}: {one.searches} live searches for {one.k} found "
                f"{one.recall:.3f}, not {one.target:g}; run `scenesift calibrate`"
            )
    unfiltered = [promise for promise in calibration.promises if not promise.case.filter]
    few = {p.case.direction: p.queries for p in unfiltered if not p.is_given}
    if few:
        counted = ", ".join(f"{direction} {queries}" for direction, queries in few.items())
        found.append(
            f"too few queries for a promise, {LEAST_QUERIES:,} are needed ({counted}): such "
            "searches scan everything, which needs none and is quick in a small archive; give "
            "more with `scenesift calibrate --queries FILE`"
        )
    return found


def calibration_report(calibration: Calibration) -> dict[str, Any]:
    """What `calibrate --json` prints."""
    return {
        "made": calibration.made,
        "bundle": calibration.bundle,
        "entries": dict(calibration.entries),
        "costs": {kind: vars(costs) for kind, costs in calibration.costs.items()},
        "promises": [promise.to_json() for promise in calibration.promises],
    }
