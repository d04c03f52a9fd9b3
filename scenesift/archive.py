"""An archive: the public Python api, and the one place where home, engine and model are joined."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Collection as SomeOf
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from indexer.captions import NO_CAPTIONS, read_captions
from indexer.collection import DEFAULT, collection_names, known_collection
from indexer.errors import ImageError
from indexer.images import read_image
from indexer.index import index
from indexer.pipeline import PipelineSettings
from indexer.progress import Progress
from indexer.source import Source
from indexer.summary import Summary
from query_service.answer import Answer
from query_service.request import Recall, SearchRequest, Strategy
from query_service.search import Searcher
from scenesift import generations
from scenesift.engine import Engine, open_engine
from scenesift.errors import HomeError
from scenesift.fitting import Say, fit_images
from scenesift.home import Home, bytes_under
from scenesift.lookup import entry_id, results, thumbnail
from scenesift.models import load_encoder, shipped_bundle
from scenesift.results import Result
from scenesift.settings import Settings, load_settings
from scenestore.compaction import collect_garbage, compact
from scenestore.entry import KINDS, Kind, Status
from scenestore.filters import ANY, Filter
from scenestore.generation import Generation
from scenestore.log import Log
from scenestore.reader import SegmentReader
from sgpd.bundle import Bundle
from sgpd.errors import BundleError
from sgpd.fit import FitSettings, fit

if TYPE_CHECKING:
    from sgpd.encoders import Encoder


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

    @cached_property
    def generation(self) -> Generation:
        """The live generation; HomeError says what to run where there is none."""
        path = self.home.path
        if not self.home.exists:
            raise HomeError(f"no archive in {path}; run `scenesift index SOURCE --home {path}`")
        name = self._live()
        if name is None:
            raise HomeError(
                f"nothing is indexed in {path}; run `scenesift index SOURCE --home {path}`"
            )
        return self._open(name, self.home.bundle(Log(self.engine.ledger, name).head().bundle))

    @cached_property
    def searcher(self) -> Searcher:
        """The search pipeline on the live generation."""
        return Searcher(self.generation, lambda: self.encoder)

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
        explain: bool = False,
    ) -> Answer:
        """Search by a text, an image (a file, or pixels [h, w, 3]), or what is like an entry.

        `like` is the id of an entry, or the name of a scene. Raises SceneSiftError.
        """
        request = SearchRequest(
            text=text,
            image=_read(image) if isinstance(image, Path) else image,
            like=like,
            kind=kind,
            k=k,
            recall=recall,
            strategy=strategy,
            where=Filter(collections=tuple(collections)),
        )
        if like is not None:
            among = collections or collection_names(self.engine.ledger)
            request = replace(request, like=entry_id(self.generation, like, among))
        return self.searcher.search(request, explain)

    def results(self, answer: Answer, thumbnails: bool = False) -> list[Result]:
        """The hits of an answer with what they are shown by."""
        return results(self.generation, answer, thumbnails)

    def thumbnail(self, id: str) -> bytes | None:
        """The JPEG of an entry; None where there is no such entry."""
        found = self.generation.documents.lookup(id)
        return thumbnail(self.generation, found.key, found.entry) if found else None

    def info(self) -> dict[str, Any]:
        """What the archive holds and what it was made with."""
        generation = self.generation
        head = generation.reader.head(fresh=True)
        return {
            "entries": {kind: generation.documents.count(kind, ANY) for kind in KINDS},
            "scenes": generation.documents.outcome_counts(),
            "collections": collection_names(self.engine.ledger),
            "home": str(self.home.path),
            "engine": self.engine.name,
            "generation": head.generation,
            "encoder": generation.bundle.encoder,
            "bundle": generation.bundle.digest,
            "batches": sum(1 for _ in generation.log.batches()),
            "segments": len(head.segments) + len(head.live_batches()),
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
            known = known_collection(ledger, collection)
            return index(
                archive.generation,
                ledger,
                self.encoder,
                source,
                captions=captions or (None if known and known.captions else beside(source)),
                collection=collection,
                moved=moved,
                retry=retry,
                dry_run=dry_run,
                settings=self.pipeline_settings,
                progress=progress,
            )

        if dry_run:
            if self.home.exists and self._live():
                return run(self)
            with self.temporary() as archive:
                return run(archive)
        with self.home.writing():
            if self._live() is None:
                self._begin(self.next_bundle())
            summary = run(self)
            self._compact()
        return summary

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
            bundle = fit(embeddings, identity, settings=settings, progress=say)
            self.home.keep_bundle(bundle)
        return bundle

    @property
    def pipeline_settings(self) -> PipelineSettings:
        """Sizes of the indexing pipeline's steps."""
        return PipelineSettings(images_per_encoding=self.settings.batch_size)

    def next_bundle(self) -> Bundle:
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
                        archive._begin(self.next_bundle())
                        yield archive
                finally:
                    archive._drop()

    def _begin(self, bundle: Bundle) -> None:
        """Make the first generation, and make it live."""
        self.home.keep_bundle(bundle)
        name = generations.following([])
        generation = self._open(name, bundle)
        generation.create()
        generations.switch(self.engine.ledger, name)
        self.generation = generation

    def _drop(self) -> None:
        """Remove everything that the engine keeps of this archive."""
        if "generation" in self.__dict__:
            self.generation.documents.drop()
        self.engine.drop_ledger()

    def _compact(self) -> None:
        while compact(self.generation):
            pass
        collect_garbage(self.generation)

    def _live(self) -> str | None:
        """The live generation's name; None when nothing was ever indexed."""
        name = generations.live(self.engine.ledger)
        if name is None and self.home.generations():
            raise HomeError(
                f"{self.home.path} has batches that the {self.engine.name} engine does not know; "
                f"run `scenesift rebuild --home {self.home.path}`"
            )
        return name

    def _open(self, name: str, bundle: Bundle) -> Generation:
        reader = SegmentReader(bundle, Log(self.engine.ledger, name), self.home.batches / name)
        return Generation(reader, self.engine.documents(name, reader))


def beside(source: Path) -> Path | None:
    """The captions file of a folder of images, where there is one."""
    file = source / "captions.jsonl"
    return file if file.is_file() else None


def _read(image: Path) -> NDArray[np.uint8]:
    try:
        return read_image(image)
    except ImageError as error:
        raise ImageError(f"{image}: {error}") from error
