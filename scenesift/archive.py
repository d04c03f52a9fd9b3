"""An archive: the public Python api, what `ArchiveReader` searches and all that is written."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Collection as SomeOf
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.audit import AuditReport, audit
from indexer.calibration.job import TARGETS
from indexer.calibration.renew import renew
from indexer.calibration.replayed import Remeasured
from indexer.captions import NO_CAPTIONS, Captions, read_captions
from indexer.collection import DEFAULT
from indexer.delete import named_scenes, take_out
from indexer.index import index
from indexer.progress import Progress
from indexer.runs import check_no_run
from indexer.source import Source
from indexer.summary import Summary
from indexer.update import UpdateRequest
from query_service.sample import sample_files
from scenesift.bundles import bundle_for, check_fits, given_bundle, kept_bundle
from scenesift.calibrating import remeasure_generation
from scenesift.changeover import Changeover, Models
from scenesift.errors import HomeError
from scenesift.fitting import fit_images
from scenesift.generation_facts import GenerationFacts, generation_facts
from scenesift.options import QUERIES
from scenesift.selection import beside
from scenesift.writer import ArchiveWriter
from scenestore.entry import Scene, Status
from scenestore.generation import Generation
from sgpd.bundle import Bundle
from sgpd.calibration import Calibration
from sgpd.concepts import read_concepts
from sgpd.embeddings import checked
from sgpd.fit import FitSettings, fit
from sgpd.say import Say, silent


class Archive(ArchiveWriter):
    """A searchable archive in a home directory; use it as a context manager.

    >>> with scenesift.Archive("scenesift-home") as archive:
    ...     archive.index(Path("images"))
    ...     answer = archive.search("two runways beside water")
    """

    def index(
        self,
        source: Path,
        *,
        captions: Path | None = None,
        collection: str = DEFAULT,
        moved: bool = False,
        retry: SomeOf[Status] = (),
        only: SomeOf[str] | None = None,
        max_failures: float = 1.0,
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Summary:
        """Bring a collection in step with a folder of images; see `indexer.index.index`.

        Without captions, those used last are used again, else SOURCE/captions.jsonl if it is there.
        """
        Source(source)  # a wrong path must not leave an empty home behind

        def run(archive: Archive) -> Summary:
            ledger = archive.engine.ledger
            request = UpdateRequest(
                source,
                collection,
                captions or archive.captions_file(source, collection),
                moved,
                tuple(retry),
                None if only is None else tuple(only),
            )
            return index(
                archive.generation,
                ledger,
                archive.encoder,
                request,
                max_failures=max_failures,
                dry_run=dry_run,
                settings=self.pipeline_settings,
                progress=progress,
            )

        if dry_run and self.begun:
            return run(self)
        if dry_run:
            with self.temporary() as archive:
                return run(archive)
        with self.writing():
            self.begin()
            summary = self.written(lambda: run(self))
            self.generations.tidy(self.generation)
        return summary

    def delete(self, names: Sequence[str], collection: str | None = None) -> list[Scene]:
        """Take out scenes, by name or by the id of an entry; returns (collection, scene) pairs.

        They stay out when their folder is indexed again, unless `retry` has "skipped".
        """
        _ = self.generation  # where there is none, say what to run
        found: list[Scene] = []

        def run() -> list[Scene]:
            if not found:  # else a switch came in between: what was named may be out already
                ledger = self.engine.ledger
                found.extend(named_scenes(self.generation, ledger, names, collection))
            take_out(self.generation, found)
            return found

        with self.writing():
            return self.written(run)

    def rebuild(self, progress: Progress | None = None) -> None:
        """Make the index again from the batches, with the home's bundle; see `Generations`."""
        self.pins.close()
        if not self.home.exists:
            raise HomeError(f"no archive in {self.home.store}; give the --home that has batches")
        with self.writing():
            check_no_run(self.engine.ledger, "a rebuild")
            with self.generations.changing():
                live = self.generations.restore(progress)
            digest = self.home.bundle_digest
            if digest and digest != live.bundle.digest:
                name = self.changeover.follow(live, self.home.bundle(digest), progress)
                live.documents.close()
                live = self.generations.open(name)
            self.generations.tidy(live)
            self.pins.hold(live)

    @property
    def changeover(self) -> Changeover:
        """Changes which generation is live."""
        return Changeover(self.home, self.engine, self.encoder_of, self.pipeline_settings)

    def list_generations(self) -> list[GenerationFacts]:
        """What is known of each generation, oldest first."""
        if not self.home.exists:
            raise HomeError(f"no archive in {self.home.store}; give the --home that has one")
        return list(generation_facts(self.generations))

    def create_generation(
        self,
        *,
        model: str | None = None,
        bundle: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Make a generation beside the live one, which goes on; returns its name.

        With the home's newer bundle, or `bundle` (a folder, or the digest of one in the home): of
        the same encoder, the stored vectors are coded anew, else the images of all collections are
        encoded again, by `model`. Stopped and run again, it goes on.
        """
        live = self.generation
        chosen = self._chosen_bundle(live, model, bundle)
        if chosen.encoder == live.bundle.encoder:
            return self.changeover.create(chosen, progress)
        models = Models(self._model_of(live), _lasting(model) or self.settings.model)
        chosen.check_encoder(self._encoders.of(models.new).identity)
        return self.changeover.create(chosen, progress, models)

    def _model_of(self, generation: Generation) -> str | None:
        is_known, known = self.generations.model(generation.log.generation)
        return known if is_known else _lasting(self.settings.model)

    def _chosen_bundle(self, live: Generation, model: str | None, bundle: str | None) -> Bundle:
        if bundle is not None:
            return given_bundle(self.home, bundle)
        ours = kept_bundle(self.home) or live.bundle
        if model is None:
            return ours
        return bundle_for(self._encoders.of(_lasting(model)).identity, ours, model)

    def switch_generation(self, name: str, progress: Progress | None = None) -> str | None:
        """Make a generation live, with all that the live one has; returns which was live before."""
        return self.changeover.switch(name, progress)

    def rollback_generation(self, progress: Progress | None = None) -> str:
        """Make the previous generation live again, with all that was written since."""
        return self.changeover.rollback(progress)

    def drop_generation(self, name: str) -> None:
        """Remove a generation that is not live."""
        self.changeover.drop(name)

    def audit(
        self,
        *,
        source: Path | None = None,
        collection: str = DEFAULT,
        repair: bool = False,
        progress: Progress | None = None,
    ) -> AuditReport:
        """Compare batches, log, documents and segments; with `source` also a collection's folder.

        `repair` makes index and segments again from the batches where they differ.
        """
        generation = self.generation
        sources = {collection: (source, self._captions(source, collection))} if source else None
        if not repair:
            return audit(generation, sources, progress=progress)
        with self.writing():
            check_no_run(self.engine.ledger, "a repair")
            return audit(generation, sources, repair=True, progress=progress)

    def fit(
        self,
        source: Path,
        *,
        captions: Path | None = None,
        settings: FitSettings = FitSettings(),
        progress: Progress | None = None,
        say: Say | None = None,
    ) -> Bundle:
        """Fit a bundle on a folder of images; new generations of this home begin with it."""
        file = captions or beside(source)
        texts = read_captions(file) if file else NO_CAPTIONS
        with self.home.writing():
            check_fits(self.home, self.encoder.identity)
            bundle = fit_images(
                source,
                self.encoder,
                captions=texts,
                settings=settings,
                pipeline=self.pipeline_settings,
                progress=progress,
                say=say,
            )
            self.home.keep_bundle(bundle)
        return bundle

    def fit_embeddings(
        self,
        embeddings: NDArray[np.float32],
        encoder: str | None = None,
        *,
        settings: FitSettings = FitSettings(),
        say: Say | None = None,
    ) -> Bundle:
        """Fit a bundle on embeddings [n, d] of the encoder of that identity, else of the model."""
        with self.home.writing():
            identity = encoder or self.encoder.identity
            stored = check_fits(self.home, identity)
            checked(embeddings, stored or (None if encoder else self.encoder.dimension))
            concepts = None if encoder else read_concepts(self.encoder)
            bundle = fit(embeddings, identity, concepts=concepts, settings=settings, progress=say)
            self.home.keep_bundle(bundle)
        return bundle

    def calibrate(
        self,
        *,
        queries: Path | None = None,
        targets: Sequence[float] | None = None,
        count: int = QUERIES,
        say: Say | None = None,
    ) -> Calibration:
        """Find the settings that keep each recall target, and put them in force.

        `queries` is a file (see `read_questions`), else `count` of each kind are drawn from the
        archive. Raises SceneSiftError.
        """
        return renew(
            self.generation,
            lambda: self.encoder,
            queries=queries,
            targets=targets or TARGETS,
            count=count,
            say=say or silent,
            writing=self.home.writing,
        )

    def remeasure(self) -> list[Remeasured]:
        """Measure the sampled live searches again, and keep the result for `info`."""
        return remeasure_generation(self.generation, sample_files(self.home.searches))

    def _captions(self, source: Path, collection: str) -> Captions:
        file = self.captions_file(source, collection)
        return read_captions(file) if file else NO_CAPTIONS

    @contextmanager
    def temporary(self) -> Iterator[Archive]:
        """An empty archive with the same bundle, model and engine; afterwards nothing is left."""
        with tempfile.TemporaryDirectory(prefix="scenesift-") as folder:
            update = {
                "home": Path(folder) / "home",
                "store": None,
                "opensearch_prefix": f"{self.settings.opensearch_prefix}-{secrets.token_hex(6)}",
                "opensearch_replicas": 0,
            }
            with Archive.of(self.settings.model_copy(update=update)) as archive:
                archive.share_encoders(self)
                try:
                    with archive.home.writing():
                        archive.pins.hold(archive.generations.begin(self._next_bundle()))
                    yield archive
                finally:
                    archive.generations.drop()


def _lasting(model: str | None) -> str | None:
    """A model's name as it holds in other folders too."""
    return str(Path(model).resolve()) if model and Path(model).is_dir() else model
