"""Index: bring a collection of the archive in step with its folder."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from indexer.changes import Change
from indexer.errors import ImageError
from indexer.images import check_image
from indexer.pipeline import Pipeline, PipelineSettings, closing_pool, read_ahead
from indexer.progress import Meter, Progress
from indexer.resume import resume
from indexer.runs import check_no_run
from indexer.summary import Summary, Tally
from indexer.update import Update, UpdateRequest, check_failures, summary
from scenestore.generation import Generation
from scenestore.ports import Ledger

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

_DEFAULTS = PipelineSettings()


def index(
    generation: Generation,
    ledger: Ledger,
    encoder: Encoder,
    request: UpdateRequest,
    *,
    max_failures: float = 1.0,
    dry_run: bool = False,
    settings: PipelineSettings = _DEFAULTS,
    progress: Progress | None = None,
) -> Summary:
    """Index what is new or changed in a folder, and take out what is gone from it.

    `max_failures` is the share of scenes that may fail before the update is stopped. Only for who
    holds the writer's lock, but for a dry run, which writes nothing. Raises SceneSiftError.
    """
    update = Update(generation, ledger, request)
    pipeline = Pipeline(generation, encoder, update.collection.name, settings)
    resumed = 0
    if not dry_run:
        check_no_run(ledger, "indexing in this process")
        generation.create()
        resumed = resume(generation)
    survey = update.survey
    meter = Meter(survey.work, progress)
    tally = Tally()
    if dry_run:
        _rehearse(update.work(), settings, tally, meter)
    else:
        update.collection.remember(ledger)
        for batch in pipeline.run(update.work(), secrets.token_hex(6), meter.add):
            tally.add_all(batch)
            check_failures(tally, max_failures)
        generation.documents.refresh()
    return summary(
        tally,
        collection=update.collection.name,
        source=str(update.collection.source),
        unchanged=survey.counts["unchanged"],
        settled=survey.counts["settled"],
        others=update.folder.others,
        notes=tuple(update.notes()),
        seconds=meter.seconds,
        rate=meter.rate,
        resumed=resumed,
        dry_run=dry_run,
    )


def _rehearse(
    work: Iterable[Change], settings: PipelineSettings, tally: Tally, meter: Meter
) -> None:
    """Count what the pipeline would do, as far as names and headers of the images tell."""

    def fault(change: Change) -> tuple[Change, str | None]:
        if change.file is None:
            return change, None
        try:
            check_image(change.file.path, settings.max_pixels)
        except ImageError as error:
            return change, str(error)
        return change, change.file.fault

    with closing_pool(settings.threads) as pool:
        for change, reason in read_ahead(pool, fault, work, settings.look_ahead):
            meter.add(1)
            if reason is not None:
                tally.fail(change.scene, reason)
            elif change.action == "deleted":
                tally.add("deleted")
            else:
                known = change.action == "changed"
                tally.add("updated" if known else "indexed", 1, len(change.text.captions))
