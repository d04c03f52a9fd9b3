"""An archive as a search reads it: the one place where home, engine and model are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from indexer.collection import collection_names, known_collection
from indexer.errors import ImageError
from indexer.images import read_image
from query_service.answer import Answer
from query_service.explain import Explanation
from query_service.request import Recall, RequestError, SearchRequest, Strategy
from query_service.sample import SearchSample
from query_service.search import Searcher
from query_service.terms import LexiconUse
from scenesift.calibrating import known_promises, known_searches
from scenesift.conditions import Instant, Values, conditions
from scenesift.engine import Engine, open_engine
from scenesift.errors import HomeError
from scenesift.generations import Generations
from scenesift.home import Home, bytes_under
from scenesift.lookup import entry_id, results, thumbnail
from scenesift.models import load_encoder
from scenesift.postings import postings_summary
from scenesift.results import Result
from scenesift.settings import Settings, load_settings
from scenesift.stores import open_store
from scenestore.entry import KINDS, Entry, Kind
from scenestore.filters import ANY
from scenestore.generation import Generation

if TYPE_CHECKING:
    from sgpd.encoders import Encoder

EMBEDDED_ENTRIES = 200_000
"""Up to here the embedded engine was measured."""


class ArchiveReader:
    """Searches the archive in a home directory, and writes nothing; use it as a context manager."""

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
        self.home = Home(settings.home, open_store(settings))

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
        path, store = self.home.path, self.home.store
        if not self.home.exists:
            raise HomeError(f"no archive in {store}; run `scenesift index SOURCE --home {path}`")
        live = self.generations.live()
        if live is None:
            raise HomeError(
                f"nothing is indexed in {store}; run `scenesift index SOURCE --home {path}`"
            )
        return live

    @property
    def begun(self) -> bool:
        """Whether something was indexed here, so that there is a live generation."""
        if self.home.engine is None and not self.home.batches.parts():
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
        partial: bool = False,
        explain: bool = False,
    ) -> Answer:
        """Search by a text, an image (a file, or pixels [h, w, 3]), or what is like an entry.

        `like` is the id of an entry, or the name of a scene. The rest keeps entries of some
        collections, from `since` to `until` (both included; a year, month or day as a text is the
        whole of it), whose footprint meets `bbox` (west, south, east, north in degrees), with at
        most so many percent of clouds, and whose properties have the given value (or one of them).
        With `partial`, shards that fail are left out and the answer names them. Raises
        SceneSiftError.
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
            partial=partial,
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
            "store": str(self.home.store),
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


def _read(image: Path) -> NDArray[np.uint8]:
    try:
        return read_image(image)
    except ImageError as error:
        raise ImageError(f"{image}: {error}") from error
