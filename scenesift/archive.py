"""An archive: the public Python api, and the one place where home, engine and model are joined."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Collection as SomeOf
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from indexer.audit import AuditReport, audit
from indexer.calibration.job import TARGETS
from indexer.calibration.replayed import Remeasured
from indexer.captions import NO_CAPTIONS, Captions, read_captions
from indexer.collection import DEFAULT, collection_names, known_collection
from indexer.delete import Scene, delete
from indexer.errors import ImageError
from indexer.images import read_image
from indexer.index import index
from indexer.pipeline import PipelineSettings
from indexer.progress import Progress
from indexer.source import Source
from indexer.summary import Summary
from query_service.answer import Answer
from query_service.explain import Explanation
from query_service.request import Recall, RequestError, SearchRequest, Strategy
from query_service.sample import SearchSample, sample_files
from query_service.search import Searcher
from query_service.terms import LexiconUse
from scenesift.calibrating import (
    QUERIES,
    calibrate_generation,
    known_promises,
    known_searches,
    remeasure_generation,
)
from scenesift.conditions import Instant, Values, conditions
from scenesift.engine import Engine, open_engine
from scenesift.errors import HomeError
from scenesift.fitting import Say, fit_images
from scenesift.generations import Generations
from scenesift.home import Home, bytes_under
from scenesift.lookup import entry_id, results, thumbnail
from scenesift.models import load_encoder, shipped_bundle
from scenesift.postings import postings_summary
from scenesift.results import Result
from scenesift.selection import beside
from scenesift.settings import Settings, load_settings
from scenestore.entry import KINDS, Entry, Kind, Status
from scenestore.filters import ANY
from scenestore.generation import Generation
from sgpd.bundle import Bundle
from sgpd.calibration import Calibration
from sgpd.concepts import read_concepts
from sgpd.embeddings import checked
from sgpd.errors import BundleError
from sgpd.fit import FitSettings, fit

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

EMBEDDED_ENTRIES = 200_000
"""Up to here the embedded engine was measured."""


class Archive:
    """A searchable archive in a home directory; use it as a context manager.

    >>> with scenesift.Archive("scenesift-home") as archive:
    ...     archive.index(Path("images"))
    ...     answer = archive.search("two runways beside water")
    """

    def __init__(self, home: str | Path | None = None, **options: Any) -> None:
        """Options are those of `scenesift.settings.Settings`; nothing is created yet."""
        self._set(load_settings(home=home, **options))

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The archive that settings describe."""
        archive = cls.__new__(cls)
        archive._set(settings)
        return archive

    def _set(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home(settings.home)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back files and connections; what is used afterwards is opened again."""
        self._forget_generation()
        engine = self.__dict__.pop("engine", None)
        if engine is not None:
            engine.close()

    def _forget_generation(self) -> None:
        self.__dict__.pop("searcher", None)
        generation = self.__dict__.pop("generation", None)
        if generation is not None:
            generation.documents.close()

    @cached_property
    def engine(self) -> Engine:
        """The engine that the settings name."""
        return open_engine(self.settings, self.home)

    @cached_property
    def encoder(self) -> Encoder:
        """The model, loaded when something is to be encoded."""
        return load_encoder(self.settings)

    @property
    def generations(self) -> Generations:
        """All generations of the home on the engine."""
        return Generations(self.home, self.engine)

    @cached_property
    def generation(self) -> Generation:
        """The live generation; HomeError says what to run where there is none."""
        path = self.home.path
        if not self.home.exists:
            raise HomeError(f"no archive in {path}; run `scenesift index SOURCE --home {path}`")
        live = self.generations.live()
        if live is None:
            raise HomeError(
                f"nothing is indexed in {path}; run `scenesift index SOURCE --home {path}`"
            )
        return live

    @property
    def begun(self) -> bool:
        """Whether something was indexed here, so that there is a live generation."""
        if self.home.engine is None and not self.home.batches.exists():
            return False  # and open no engine, which would create files
        if "generation" not in self.__dict__:
            live = self.generations.live()
            if live is None:
                return False
            self.generation = live
        return True

    @property
    def collections(self) -> list[str]:
        """Names of all collections, sorted; after a lost ledger those of the scenes."""
        known = collection_names(self.engine.ledger)
        if known:
            return known
        outcomes = self.generation.documents.outcomes(None)
        return [name for name, _ in groupby(outcomes, lambda outcome: outcome.collection)]

    @cached_property
    def searcher(self) -> Searcher:
        """The search pipeline on the live generation."""
        generation = self.generation
        sample = SearchSample(
            self.home.searches, self.settings.search_sample, generation.bundle.digest
        )
        return Searcher(generation, lambda: self.encoder, sample)

    def search(
        self,
        text: str | None = None,
        *,
        image: Path | NDArray[np.uint8] | None = None,
        like: str | None = None,
        kind: Kind = "chip",
        k: int = 10,
        recall: Recall = "0.99",
        strategy: Strategy = "auto",
        collections: Sequence[str] = (),
        since: Instant | None = None,
        until: Instant | None = None,
        bbox: Sequence[float] | None = None,
        max_cloud: float | None = None,
        properties: Mapping[str, Values] | None = None,
        explain: bool = False,
    ) -> Answer:
        """Search by a text, an image (a file, or pixels [h, w, 3]), or what is like an entry.

        `like` is the id of an entry, or the name of a scene. The rest keeps entries of some
        collections, from `since` to `until` (both included; a year, month or day as a text is the
        whole of it), whose footprint meets `bbox` (west, south, east, north in degrees), with at
        most so many percent of clouds, and whose properties have the given value (or one of them).
        Raises SceneSiftError.
        """
        request = SearchRequest(
            text=text,
            image=_read(image) if isinstance(image, Path) else image,
            like=like,
            kind=kind,
            k=k,
            recall=recall,
            strategy=strategy,
            where=conditions(collections, since, until, bbox, max_cloud, properties),
        )
        searcher = self.searcher  # where there is no archive, no model need be loaded to say so
        self._check_collections(collections)
        if like is not None:
            request = replace(request, like=self.find(like, collections))
        else:
            _ = self.encoder  # loaded before the clock of the search starts
        return searcher.search(request, explain)

    def explain(
        self,
        name: str | None = None,
        *,
        text: str | None = None,
        image: Path | NDArray[np.uint8] | None = None,
        kind: Kind = "chip",
        collections: Sequence[str] = (),
    ) -> Explanation:
        """What the guide sees of an entry (its id, or the name of a scene), a text or an image.

        `kind` is what a text or an image would look for. Raises SceneSiftError.
        """
        request = SearchRequest(
            text=text,
            image=_read(image) if isinstance(image, Path) else image,
            like=name,
            kind=kind,
        )
        searcher = self.searcher
        self._check_collections(collections)
        if name is not None:
            request = replace(request, like=self.find(name, collections))
        return searcher.explain(request)

    def _check_collections(self, names: Sequence[str]) -> None:
        """Raise RequestError for a name that neither the ledger knows nor any scene has."""
        for name in names:
            if known_collection(self.engine.ledger, name) is None and not any(
                self.generation.documents.outcomes(name)
            ):
                known = ", ".join(self.collections)
                raise RequestError(f"there is no collection {name}; there are: {known}")

    def neighbours(self, entry: Entry, k: int) -> list[Result]:
        """The k entries of other scenes that are most like an entry, with the terms they share."""
        who = entry.identity
        return self.results(self.search(like=who.id, kind=who.kind, k=k, explain=True))

    def lexicon_use(self, kind: Kind = "chip") -> LexiconUse:
        """How many live entries hold each term of a kind, and which hold most of it."""
        return LexiconUse(self.generation, kind)

    def find(self, name: str, collections: Sequence[str] = ()) -> str:
        """The id of the entry meant by an id, or by the name of a scene; else RequestError."""
        return entry_id(self.generation, name, collections or self.collections)

    def results(self, answer: Answer, thumbnails: bool = False) -> list[Result]:
        """The hits of an answer with what they are shown by."""
        return results(self.generation, answer, thumbnails)

    def picture(self, key: int, entry: Entry) -> bytes | None:
        """The JPEG of an entry whose key is known."""
        return thumbnail(self.generation, key, entry)

    def thumbnail(self, id: str) -> bytes | None:
        """The JPEG of an entry; None where there is no such entry."""
        found = self.generation.documents.lookup(id)
        return thumbnail(self.generation, found.key, found.entry) if found else None

    @property
    def is_crowded(self) -> bool:
        """Whether there are more entries than the embedded engine serves at a good pace."""
        documents = self.generation.documents
        entries = sum(documents.count(kind, ANY) for kind in KINDS)
        return self.engine.name == "embedded" and entries > EMBEDDED_ENTRIES

    def info(self) -> dict[str, Any]:
        """What the archive holds and what it was made with."""
        generation = self.generation
        head = generation.reader.head(fresh=True)
        return {
            "entries": {kind: generation.documents.count(kind, ANY) for kind in KINDS},
            "scenes": generation.documents.outcome_counts(),
            "collections": self.collections,
            "home": str(self.home.path),
            "engine": self.engine.name,
            "generation": head.generation,
            "encoder": generation.bundle.encoder,
            "bundle": generation.bundle.digest,
            "postings": postings_summary(generation),
            "batches": sum(1 for _ in generation.log.batches()),
            "segments": len(head.segments) + len(head.live_batches()),
            "calibration": known_promises(generation),
            "live_searches": known_searches(generation),
            "bytes": bytes_under(self.home.path),
        }

    def index(
        self,
        source: Path,
        *,
        captions: Path | None = None,
        collection: str = DEFAULT,
        moved: bool = False,
        retry: SomeOf[Status] = (),
        dry_run: bool = False,
        progress: Progress | None = None,
    ) -> Summary:
        """Bring a collection in step with a folder of images; see `indexer.index.index`.

        Without captions, those used last are used again, else SOURCE/captions.jsonl if it is there.
        """
        Source(source)  # a wrong path must not leave an empty home behind

        def run(archive: Archive) -> Summary:
            ledger = archive.engine.ledger
            return index(
                archive.generation,
                ledger,
                self.encoder,
                source,
                captions=captions or archive._captions_file(source, collection),
                collection=collection,
                moved=moved,
                retry=retry,
                dry_run=dry_run,
                settings=self.pipeline_settings,
                progress=progress,
            )

        if dry_run and self.begun:
            return run(self)
        if dry_run:
            with self.temporary() as archive:
                return run(archive)
        with self.home.writing():
            if not self.begun:
                self.generation = self.generations.begin(self._next_bundle())
            summary = run(self)
            self.generations.tidy(self.generation)
        return summary

    def delete(self, names: Sequence[str], collection: str | None = None) -> list[Scene]:
        """Take out scenes, by name or by the id of an entry; returns (collection, scene) pairs.

        They stay out when their folder is indexed again, unless `retry` has "skipped".
        """
        generation = self.generation
        with self.home.writing():
            return delete(generation, self.engine.ledger, names, collection)

    def rebuild(self, progress: Progress | None = None) -> None:
        """Make the index again from the batches, with the home's bundle; see `Generations`."""
        self._forget_generation()
        if not self.home.exists:
            raise HomeError(f"no archive in {self.home.path}; give the --home that has batches")
        with self.home.writing():
            live = self.generations.restore(progress)
            digest = self.home.bundle_digest
            if digest and digest != live.bundle.digest:
                live = self.generations.follow(live, self.home.bundle(digest), progress)
            self.generations.tidy(live)
            self.generation = live

    def audit(
        self, *, source: Path | None = None, collection: str = DEFAULT, repair: bool = False
    ) -> AuditReport:
        """Compare batches, log, documents and segments; with `source` also a collection's folder.

        `repair` makes the index again from the batches where it differs.
        """
        generation = self.generation
        sources = {collection: (source, self._captions(source, collection))} if source else None
        if not repair:
            return audit(generation, sources)
        with self.home.writing():
            return audit(generation, sources, repair=True)

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
            self._check_fits(self.encoder.identity)
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
            stored = self._check_fits(identity)
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
        return calibrate_generation(
            self.generation,
            lambda: self.encoder,
            queries=queries,
            targets=targets or TARGETS,
            count=count,
            say=say or (lambda line: None),
            writing=self.home.writing,
        )

    def remeasure(self) -> list[Remeasured]:
        """Measure the sampled live searches again, and keep the result for `info`."""
        return remeasure_generation(self.generation, sample_files(self.home.searches))

    def _check_fits(self, encoder: str) -> int | None:
        """The dimension of the archive's vectors, if any; BundleError where another encoder's."""
        digest = self.home.bundle_digest
        if self.home.engine is None or digest is None:
            return None
        ours = self.home.bundle(digest)
        if encoder != ours.encoder:
            raise BundleError(
                f"{self.home.path} holds vectors of encoder {ours.encoder}, so a bundle for "
                f"{encoder} is of no use there; give another --home, and index there"
            )
        return ours.dimension

    def _captions_file(self, source: Path, collection: str) -> Path | None:
        """The file used last for a collection, else the one beside the images."""
        known = known_collection(self.engine.ledger, collection)
        return known.captions if known and known.captions else beside(source)

    def _captions(self, source: Path, collection: str) -> Captions:
        file = self._captions_file(source, collection)
        return read_captions(file) if file else NO_CAPTIONS

    @property
    def pipeline_settings(self) -> PipelineSettings:
        """Sizes of the indexing pipeline's steps."""
        return PipelineSettings(images_per_encoding=self.settings.batch_size)

    def _next_bundle(self) -> Bundle:
        """What new generations begin with: the home's bundle, else the shipped one."""
        digest = self.home.bundle_digest
        bundle = self.home.bundle(digest) if digest else shipped_bundle()
        if bundle is None:
            raise BundleError(
                f"{self.home.path} has no bundle; fit one with `scenesift fit SOURCE --home "
                f"{self.home.path}`"
            )
        bundle.check_encoder(self.encoder.identity)
        return bundle

    @contextmanager
    def temporary(self) -> Iterator[Archive]:
        """An empty archive with the same bundle, model and engine; afterwards nothing is left."""
        with tempfile.TemporaryDirectory(prefix="scenesift-") as folder:
            update = {
                "home": Path(folder) / "home",
                "opensearch_prefix": f"{self.settings.opensearch_prefix}-{secrets.token_hex(6)}",
                "opensearch_replicas": 0,
            }
            with Archive.of(self.settings.model_copy(update=update)) as archive:
                archive.encoder = self.encoder
                try:
                    with archive.home.writing():
                        archive.generation = archive.generations.begin(self._next_bundle())
                    yield archive
                finally:
                    archive.generations.drop()


def _read(image: Path) -> NDArray[np.uint8]:
    try:
        return read_image(image)
    except ImageError as error:
        raise ImageError(f"{image}: {error}") from error
