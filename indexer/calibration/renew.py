"""Renewal: a generation is calibrated, and the result is put in force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.calibration.job import calibrate
from indexer.calibration.questions import drawn, read_questions
from indexer.errors import QueriesError
from scenestore.entry import KINDS
from scenestore.generation import Generation
from sgpd.calibration import Calibration
from sgpd.say import Say

if TYPE_CHECKING:
    from sgpd.encoders import Encoder


def renew(
    generation: Generation,
    encoder: Callable[[], Encoder],
    *,
    queries: Path | None,
    targets: Sequence[float],
    count: int,
    say: Say,
    writing: Callable[[], AbstractContextManager[None]],
) -> Calibration:
    """Calibrate a generation and put the result in force; `writing` holds the writer's lock.

    On the queries of a file, else on `count` of each kind that are drawn from the archive.
    """
    calibrations = generation.calibrations
    assert calibrations is not None, "a live generation keeps calibrations"
    for target in targets:
        if not 0 < target < 1:
            raise QueriesError(f"target {target:g} is not above 0 and below 1")
    bundle = generation.bundle
    if queries is not None:
        questions = read_questions(queries, encoder, bundle.digest, bundle.dimension)
    else:
        questions = [drawn(generation, kind, count) for kind in KINDS]
    made = calibrate(generation, questions, targets=targets, say=say)
    with writing():  # only now: indexing goes on beside the measuring
        return calibrations.replace(made.keeping(calibrations.current(fresh=True)))
