"""An archive as a search reads it: the one place where home, engine and model are joined."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
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
from query_service.shown import thumbnail
from query_service.terms import LexiconUse
from scenesift.calibrating import known_promises, known_searches
from scenesift.engine import Engine, open_engine
from scenesift.errors import HomeError
from scenesift.generations import Generations
from scenesift.home import Home, bytes_under
from scenesift.lookup import entry_id, results
from scenesift.models import Encoders
from scenesift.pins import Pins
from scenesift.postings import postings_summary
from scenesift.results import Result
from scenesift.settings import Settings, load_settings
from scenesift.stores import cache_facts, open_store
from scenestore.conditions import Cql2, GeoJson, Instant, Values, conditions, span
from scenestore.entry import KINDS, Entry, Kind
from scenestore.filters import ANY
from scenestore.generation import Generation
from scenestore.shared import Shared
from sgpd.errors import SceneSiftError

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
        self.pins = Pins(lambda: self.generations, self._open_live, self._searcher, self._prepare)
        self._engine = Shared(lambda: open_engine(settings, self.home), math.inf)
        self._encoders = Encoders(settings)
        self._models: dict[str, str | None] = {}
        """By generation, as a search must not ask the ledger for it again and again."""

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
        self.pins.close()
        engine = self._engine.forget()
        if engine is not None:
            engine.close()

    @property
    def engine(self) -> Engine:
        """The engine that the settings name, opened once."""
        return self._engine.current()

    @property
    def encoder(self) -> Encoder:
        """The model of the live generation, loaded when something is to be encoded."""
        return self.encoder_of(self.generation.log.generation if self.begun else None)

    def encoder_of(self, generation: str | None) -> Encoder:
        """The model that a generation was made with, else the one that the settings name."""
        if generation is None:
            return self._encoders.of(self.settings.model)
        if generation not in self._models:
            is_known, model = self.generations.model(generation)
            self._models[generation] = model if is_known else self.settings.model
        return self._encoders.of(self._models[generation])

    def _prepare(self, generation: Generation) -> None:
        """Load the model of a generation that is to be searched next, where models are in use."""
        with suppress(SceneSiftError):  # who needs it is told
            if self._encoders:
                self.encoder_of(generation.log.generation)

    def share_encoders(self, other: ArchiveReader) -> None:
        """Use the models that another has loaded."""
        self._encoders = other._encoders

    @property
    def generations(self) -> Generations:
        """All generations of the home on the engine."""
        return Generations(self.home, self.engine)

    @property
    def generation(self) -> Generation:
        """The live generation; HomeError says what to run where there is none."""
        return self.pins.current().generation

    def _open_live(self) -> Generation:
        path, store = self.home.path, self.home.store
        if not self.home.exists:
            raise HomeError(
                f"no archive in {store}; mount or give the --home that has one, or run "
                f"`scenesift index SOURCE --home {path}`"
            )
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
        if self.pins.live is None:
            live = self.generations.live()
            if live is None:
                return False
            self.pins.hold(live)
        return True

    @property
    def collections(self) -> list[str]:
        """Names of all collections, sorted; after a lost ledger those of the scenes."""
        known = collection_names(self.engine.ledger)
        if known:
            return known
        outcomes = self.generation.documents.outcomes(None)
        return [name for name, _ in groupby(outcomes, lambda outcome: outcome.collection)]

    @property
    def searcher(self) -> Searcher:
        """The search pipeline on the live generation."""
        return self.pins.current().searcher

    def _searcher(self, generation: Generation) -> Searcher:
        sample = SearchSample(
            self.home.searches, self.settings.search_sample, generation.bundle.digest
        )
        return Searcher(generation, lambda: self.encoder_of(generation.log.generation), sample)

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
        filter: Cql2 | None = None,
        intersects: GeoJson | None = None,
        partial: bool = False,
        explain: bool = False,
    ) -> Answer:
        """Search by a text, an image (a file, or pixels [h, w, 3]), or what is like an entry.

        `like` is the id of an entry, or the name of a scene. The rest keeps entries of some
        collections, from `since` to `until` (both included; a year, month or day as a text is the
        whole of it), whose footprint meets `bbox` (west, south, east, north in degrees), with at
        most so many percent of clouds, and whose properties have the given value (or one of them);
        of those, the ones that pass `filter` (CQL2, as text or JSON: docs/filters.md), with a
        footprint that meets the GeoJSON `intersects`. With `partial`, shards that fail are left out
        and the answer names them. Raises SceneSiftError.
        """
        request = SearchRequest(
            text=text,
            image=_read(image) if isinstance(image, Path) else image,
            like=like,
            kind=kind,
            k=k,
            recall=recall,
            strategy=strategy,
            where=conditions(
                collections,
                span(since, until),
                bbox,
                (None, max_cloud),
                properties,
                filter,
                intersects,
            ),
            partial=partial,
        )
        with self.pins.held() as pin:  # where there is no archive, no model is loaded to say so
            self._check_collections(collections, pin.generation)
            if like is not None:
                request = replace(request, like=self._id(like, collections, pin.generation))
            else:
                _ = self.encoder_of(pin.name)  # before the clock of the search starts
            return pin.searcher.search(request, explain)

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
        with self.pins.held() as pin:
            self._check_collections(collections, pin.generation)
            if name is not None:
                request = replace(request, like=self._id(name, collections, pin.generation))
            return pin.searcher.explain(request)

    def _check_collections(self, names: Sequence[str], generation: Generation) -> None:
        """Raise RequestError for a name that neither the ledger knows nor any scene has."""
        for name in names:
            if known_collection(self.engine.ledger, name) is None and not any(
                generation.documents.outcomes(name)
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
        with self.pins.held() as pin:
            return self._id(name, collections, pin.generation)

    def _id(self, name: str, collections: Sequence[str], generation: Generation) -> str:
        return entry_id(generation, name, collections or self.collections)

    def results(self, answer: Answer, thumbnails: bool = False) -> list[Result]:
        """The hits of an answer with what they are shown by, from the generation it came from."""
        with self.pins.held(answer.generation) as pin:
            return results(pin.generation, answer, thumbnails)

    def picture(self, key: int, entry: Entry) -> bytes | None:
        """The JPEG of an entry whose key is known."""
        with self.pins.held() as pin:
            return thumbnail(pin.generation, key, entry)

    def thumbnail(self, id: str) -> bytes | None:
        """The JPEG of an entry; None where there is no such entry."""
        with self.pins.held() as pin:
            found = pin.generation.documents.lookup(id)
            return thumbnail(pin.generation, found.key, found.entry) if found else None

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
            **cache_facts(self.home.store),
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
