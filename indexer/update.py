"""Update: what a folder and the archive make of each other, before anything is done about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from indexer.captions import NO_CAPTIONS, read_captions
from indexer.changes import Change, Survey, changes
from indexer.collection import DEFAULT, chosen_collection
from indexer.errors import CollectionError, FailuresError, SourceError
from indexer.resume import is_begun
from indexer.source import Source
from indexer.summary import Summary, Tally, examples
from scenestore.entry import Status
from scenestore.generation import Generation
from scenestore.ports import Ledger

_LEAST = 100
"""Scenes before the share of failures says anything."""


@dataclass(frozen=True)
class UpdateRequest:
    """What somebody wants of a collection: that it be brought in step with a folder."""

    source: Path
    collection: str = DEFAULT
    captions: Path | None = None
    """Without, the file used last for the collection is used again."""
    moved: bool = False
    """Whether the collection's folder is now this one, wherever it was."""
    retry: tuple[Status, ...] = ()
    """"failed" tries again what failed, "skipped" brings back what was deleted on request."""
    only: tuple[str, ...] | None = None
    """Scenes to keep to; None for all of the folder."""


class Update:
    """A collection that is to be brought in step with its folder."""

    def __init__(self, generation: Generation, ledger: Ledger, request: UpdateRequest) -> None:
        """Raises SceneSiftError."""
        self.folder = Source(request.source)
        self.collection = chosen_collection(
            ledger, request.collection, self.folder.folder, request.captions, request.moved
        )
        file = self.collection.captions
        self.texts = read_captions(file) if file else NO_CAPTIONS
        self._generation = generation
        self._moved = request.moved
        self._retry = request.retry
        self._only = None if request.only is None else frozenset(request.only)

    def found(self) -> Iterator[Change]:
        """Every scene and what follows for it, in order, as of now."""
        known = is_begun(self._generation)
        name = self.collection.name
        outcomes = self._generation.documents.outcomes(name) if known else ()
        for change in changes(self.folder.files(), outcomes, self.texts, self._retry):
            if self._only is None or change.scene in self._only:
                yield change

    def work(self, after: str | None = None) -> Iterator[Change]:
        """The scenes that something has to be done for; those after a scene only."""
        for change in self.found():
            if change.action not in {"unchanged", "settled"} and (
                after is None or change.scene > after
            ):
                yield change

    @cached_property
    def survey(self) -> Survey:
        """What there is to do; SceneSiftError where that would take out what is rather missing."""
        survey = Survey.of(self.found(), self.texts)
        if self._only is None:
            self._check(survey)
            self._check_captions(survey)
        return survey

    def _check(self, survey: Survey) -> None:
        """Refuse an update that would take out everything: the source is rather not there."""
        chosen = self.collection
        if not survey.images:
            raise SourceError(
                f"{chosen.source} holds no images; check the path and whether the disk is mounted"
            )
        if survey.known and survey.counts["deleted"] == survey.known and not self._moved:
            raise CollectionError(
                f"none of the {survey.known} scenes of collection {chosen.name} is in "
                f"{chosen.source}, all would be deleted; give another --collection, or --moved if "
                "that is meant"
            )

    def _check_captions(self, survey: Survey) -> None:
        """Refuse an update that would take out every caption: the file is rather another's."""
        chosen, named = self.collection, len(self.texts.scenes)
        if survey.captioned and chosen.captions is None:
            raise CollectionError(
                f"the {survey.captioned} captions of collection {chosen.name} came from a file "
                "that is not known any more, and would be deleted; give --captions FILE (an empty "
                "one if that is meant)"
            )
        if survey.staying and named and survey.unmatched == named:
            raise CollectionError(
                f"{chosen.captions}: none of its {named} images is in {chosen.source}, so the "
                f"{survey.staying} captions of collection {chosen.name} would be deleted; check "
                "that `image` is relative to the folder, or give an empty file if that is meant"
            )

    def notes(self) -> Iterator[str]:
        """What of the captions was not used, a line each."""
        yield from self.texts.notes
        survey, chosen = self.survey, self.collection
        if self._only is None and survey.unmatched:
            named = examples(survey.unmatched_examples, survey.unmatched)
            yield f"{chosen.captions}: images that are not in {chosen.source}: {named}"


def summary(
    tally: Tally,
    *,
    collection: str,
    source: str,
    unchanged: int,
    settled: int,
    others: int,
    notes: tuple[str, ...],
    seconds: float,
    rate: float,
    resumed: int = 0,
    dry_run: bool = False,
) -> Summary:
    """What an update did: what was counted of the scenes it worked on, and of all the others."""
    return Summary(
        collection=collection,
        source=source,
        dry_run=dry_run,
        indexed=tally.counts["indexed"],
        updated=tally.counts["updated"],
        unchanged=tally.counts["unchanged"] + unchanged,
        deleted=tally.counts["deleted"],
        failed=tally.counts["failed"],
        settled=tally.counts["settled"] + settled,
        chips=tally.chips,
        captions=tally.captions,
        others=others,
        resumed=resumed,
        seconds=seconds,
        images_per_second=rate,
        failures=tuple(tally.failures),
        notes=notes,
    )


def check_failures(tally: Tally, most: float) -> None:
    """Raise FailuresError when a larger share of the scenes failed than was allowed."""
    failed = tally.counts["failed"]
    if tally.scenes >= _LEAST and failed > most * tally.scenes:
        first = tally.failures[0]
        raise FailuresError(
            f"{failed} of {tally.scenes} scenes failed, more than --max-failures {most:g} allows "
            f"(the first: {first.scene}: {first.reason}); the run was stopped, what was indexed "
            "is kept: see `scenesift failed list`"
        )
