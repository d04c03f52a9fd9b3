"""Index: bring a collection of the archive in step with its folder."""

from __future__ import annotations

import secrets
from collections.abc import Collection as SomeOf
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.captions import NO_CAPTIONS, read_captions
from indexer.changes import Change, Survey, changes
from indexer.collection import DEFAULT, Collection, chosen_collection
from indexer.errors import CollectionError, ImageError, SourceError
from indexer.images import check_image
from indexer.pipeline import Pipeline, PipelineSettings, closing_pool, read_ahead
from indexer.progress import Meter, Progress
from indexer.resume import is_begun, resume
from indexer.scene import EmbeddedScene
from indexer.source import Source
from indexer.summary import Summary, Tally, examples
from scenestore.entry import Status
from scenestore.generation import Generation
from scenestore.ports import Ledger

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

_DEFAULTS = PipelineSettings()


def index(
    generation: Generation,
    ledger: Ledger,
    encoder: Encoder,
    source: Path,
    *,
    collection: str = DEFAULT,
    captions: Path | None = None,
    moved: bool = False,
    retry: SomeOf[Status] = (),
    dry_run: bool = False,
    settings: PipelineSettings = _DEFAULTS,
    progress: Progress | None = None,
) -> Summary:
    """Index what is new or changed in a folder, and take out what is gone from it.

    Without captions, the file used last for the collection is used again. `moved` says that the
    collection's folder is now this one. `retry`: "failed" tries again what failed, "skipped" brings
    back what was deleted on request. Only for who holds the writer's lock, but for a dry run, which
    writes nothing. Raises SceneSiftError.
    """
    folder = Source(source)
    chosen = chosen_collection(ledger, collection, folder.folder, captions, moved)
    texts = read_captions(chosen.captions) if chosen.captions else NO_CAPTIONS
    pipeline = Pipeline(generation, encoder, chosen.name, settings)
    if not dry_run:
        generation.create()
    resumed = 0 if dry_run else resume(generation)

    def found() -> Iterator[Change]:
        known = is_begun(generation)
        outcomes = generation.documents.outcomes(chosen.name) if known else ()
        return changes(folder.files(), outcomes, texts, retry)

    survey = Survey.of(found(), texts)
    _check(survey, chosen, moved)
    _check_captions(survey, chosen, len(texts.scenes))
    work = (change for change in found() if change.action not in {"unchanged", "settled"})
    meter = Meter(survey.work, progress)
    tally = Tally()
    if dry_run:
        _rehearse(work, settings, tally, meter)
    else:
        chosen.remember(ledger)
        for batch in pipeline.run(work, secrets.token_hex(6), meter.add):
            _count(batch, tally)
        generation.documents.refresh()
    return Summary(
        collection=chosen.name,
        source=str(chosen.source),
        dry_run=dry_run,
        indexed=tally.counts["indexed"],
        updated=tally.counts["updated"],
        unchanged=tally.counts["unchanged"] + survey.counts["unchanged"],
        deleted=tally.counts["deleted"],
        failed=tally.counts["failed"],
        settled=tally.counts["settled"] + survey.counts["settled"],
        chips=tally.chips,
        captions=tally.captions,
        others=folder.others,
        resumed=resumed,
        seconds=meter.seconds,
        images_per_second=meter.rate,
        failures=tuple(tally.failures),
        notes=(*texts.notes, *_unmatched(survey, chosen)),
    )


def _check(survey: Survey, chosen: Collection, moved: bool) -> None:
    """Refuse an update that would take out everything: the source is rather not there."""
    if not survey.images:
        raise SourceError(
            f"{chosen.source} holds no images; check the path and whether the disk is mounted"
        )
    if survey.known and survey.counts["deleted"] == survey.known and not moved:
        raise CollectionError(
            f"none of the {survey.known} scenes of collection {chosen.name} is in {chosen.source}, "
            "all would be deleted; give another --collection, or --moved if that is meant"
        )


def _check_captions(survey: Survey, chosen: Collection, named: int) -> None:
    """Refuse an update that would take out every caption: the file is rather another folder's."""
    if survey.captioned and chosen.captions is None:
        raise CollectionError(
            f"the {survey.captioned} captions of collection {chosen.name} came from a file that is "
            "not known any more, and would be deleted; give --captions FILE (an empty one if that "
            "is meant)"
        )
    if survey.staying and named and survey.unmatched == named:
        raise CollectionError(
            f"{chosen.captions}: none of its {named} images is in {chosen.source}, so the "
            f"{survey.staying} captions of collection {chosen.name} would be deleted; check that "
            "`image` is relative to the folder, or give an empty file if that is meant"
        )


def _unmatched(survey: Survey, chosen: Collection) -> Iterator[str]:
    if survey.unmatched:
        named = examples(survey.unmatched_examples, survey.unmatched)
        yield f"{chosen.captions}: images that are not in {chosen.source}: {named}"


def _count(scenes: Iterable[EmbeddedScene], tally: Tally) -> None:
    for scene in scenes:
        outcome = scene.outcome
        if outcome.status == "failed":
            tally.fail(outcome.scene, outcome.reason or "")
        elif outcome.status == "deleted":
            tally.add("deleted")
        elif outcome.status == "skipped":
            tally.add("settled")
        elif scene.chip is None:
            tally.add("unchanged")
        else:
            tally.add("updated" if scene.read.known else "indexed", 1, len(scene.captions))


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
