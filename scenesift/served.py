"""An archive as the query service reads it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from indexer.collection import known_collection
from indexer.errors import ImageError
from indexer.images import read_image
from query_service.archive import Held
from query_service.keys import Key
from query_service.readiness import Check
from query_service.request import RequestError
from scenesift.keys import Keys
from scenesift.reader import ArchiveReader
from scenesift.settings import Settings
from scenesift.watched import checks, facts
from scenestore.entry import Entry
from scenestore.shared import Shared

if TYPE_CHECKING:
    from prometheus_client import Metric

    from sgpd.encoders import Encoder


class Served:
    """The archive that settings describe; fulfils `query_service.archive.ServedArchive`.

    Nothing is opened before it is needed, so that a service can start before its engine does.
    """

    def __init__(self, settings: Settings) -> None:
        self._reader = ArchiveReader.of(settings)
        self._collections: Shared[Sequence[str]] = Shared(lambda: self._reader.collections)

    @property
    def engine(self) -> str:
        """Name of the engine that serves it."""
        return "embedded" if self._reader.settings.opensearch_url is None else "opensearch"

    @property
    def collections(self) -> Sequence[str]:
        """Names of all collections, sorted; as of FOLLOW_SECONDS ago at most."""
        return self._collections.current()

    def held(self, generation: str | None = None) -> AbstractContextManager[Held]:
        """The live generation, or the one of that name; DroppedError where it is gone."""
        return self._reader.pins.held(generation)

    def encoder(self, generation: str) -> Encoder:
        """The model of a generation, loaded once."""
        return self._reader.encoder_of(generation)

    def read_image(self, content: bytes, most_pixels: int) -> NDArray[np.uint8]:
        """The pixels of an image's content; RequestError where it is none."""
        try:
            return read_image(content, most_pixels)
        except ImageError as error:
            raise RequestError(f"image: {error}") from error

    def keys(self) -> Collection[Key]:
        """The keys of the archive's store."""
        return Keys(self._reader.home).load()

    def checks(self) -> Mapping[str, Check]:
        """What must work for searches to."""
        return checks(self._reader)

    def facts(self) -> Iterable[Metric]:
        """What is known of the archive, for Prometheus."""
        return facts(self._reader)

    def scene_pixels(self, entry: Entry, most_pixels: int) -> NDArray[np.uint8] | None:
        """The pixels of an entry's scene, from the folder that its collection came from.

        None where that is not on this machine, or holds no such image any more.
        """
        known = known_collection(self._reader.engine.ledger, entry.identity.collection)
        if known is None:
            return None
        try:
            file = (known.source / entry.source).resolve()
            within = file.is_relative_to(known.source.resolve())
            return read_image(file, most_pixels) if within and file.is_file() else None
        except (ImageError, OSError, ValueError):
            return None

    def close(self) -> None:
        """Give back files and connections."""
        self._reader.close()
